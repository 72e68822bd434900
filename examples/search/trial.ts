import { createCore, RMSProp } from "lanewise";
import { dense, dropout, Sequential, softmaxCrossEntropy, Trainer } from "lanewise/nn";
import { type Digits, loadDigits } from "../digits/data.js";

/** What is searched. */
export interface Choice {
  readonly learningRate: number;
  readonly decay: number;
  readonly hidden: number;
  readonly dropout: number;
  readonly batchSize: number;
}

/** The digits that the search trains on, and others that it compares by. */
export function loadSearchDigits(): { train: Digits; validation: Digits } {
  const { train, test } = loadDigits(2000, 0);
  const validation = {
    count: 2000,
    images: test.images.subarray(0, 2000 * 784),
    labels: test.labels.subarray(0, 2000),
  };
  return { train, validation };
}

/** Trains one choice; yields the accuracy on the validation digits after each epoch. */
export async function* runTrial(choice: Choice, epochs: number): AsyncGenerator<number> {
  using core = await createCore();
  const { train, validation } = loadSearchDigits();
  const { hidden, learningRate, decay, batchSize } = choice;
  const layers = [dense(hidden, { activation: "relu" }), dropout(choice.dropout), dense(10)];
  using model = new Sequential(core, layers, { inputShape: [784] });
  using trainer = new Trainer(model, {
    loss: softmaxCrossEntropy(),
    optimizer: (parameters) => new RMSProp(core, parameters, { learningRate, decay }),
  });
  const x = core.tensor([train.count, 784], train.images);
  const fit = trainer.fit(
    { x, y: train.labels },
    { epochs, batchSize, validation: { x: validation.images, y: validation.labels } },
  );
  for await (const { validation } of fit) yield validation!.accuracy;
}

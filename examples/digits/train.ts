import { type Core, RMSProp, type RMSPropOptions } from "lanewise";
import { dense, type Progress, relu, Sequential, softmaxCrossEntropy, Trainer } from "lanewise/nn";
import type { Digits } from "./data.js";

/** How to train. */
export interface TrainOptions {
  /** Width of the hidden layer. */
  hidden: number;
  epochs: number;
  batchSize: number;
  seed: number;
  optimizer: RMSPropOptions;
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  onEpoch?: (epoch: { epoch: number; loss: number; accuracy: number }) => void;
}

/** What training gave. */
export interface TrainResult {
  backend: string;
  variant: string;
  epochs: number;
  steps: number;
  loss: number;
  accuracy: number;
  /** Median time of a step, gathering its batch included. */
  millisecondsPerStep: number;
  /** All parameters, one after the other: after the first epoch, and after the last. */
  afterFirstEpoch: Float32Array;
  parameters: Float32Array;
}

/** Trains a network of one hidden layer (ReLU, softmax cross-entropy) on one core. */
export async function trainDigits(
  core: Core,
  train: Digits,
  test: Digits,
  options: TrainOptions,
): Promise<TrainResult> {
  const { hidden, epochs, batchSize, seed, optimizer, signal, onProgress, onEpoch } = options;
  const pixels = train.images.length / train.count;
  const model = new Sequential(core, [dense(pixels, hidden), relu(), dense(hidden, 10)], { seed });
  const trainer = new Trainer(model, {
    loss: softmaxCrossEntropy(),
    optimizer: (parameters) => new RMSProp(core, parameters, optimizer),
    seed,
  });
  // Both sets are moved into linear memory once; batches are then gathered within it.
  const x = core.tensor([train.count, pixels], train.images);
  const testX = core.tensor([test.count, pixels], test.images);
  const times: number[] = [];
  let last = performance.now();
  const parametersNow = () => Float32Array.from(Object.values(model.parameters).flatMap(({ data }) => [...data]));
  let afterFirstEpoch = new Float32Array(0);
  let result = { loss: Number.NaN, accuracy: Number.NaN };
  const run = trainer.fit(
    { x, y: train.labels },
    {
      epochs,
      batchSize,
      ...(signal && { signal }),
      validation: { x: testX, y: test.labels },
      onProgress(progress) {
        times.push(performance.now() - last);
        onProgress?.(progress);
        last = performance.now();
      },
    },
  );
  for await (const { epoch, loss, validation } of run) {
    result = { loss, accuracy: validation!.accuracy };
    if (epoch === 1) afterFirstEpoch = parametersNow();
    onEpoch?.({ epoch, ...result });
    last = performance.now();
  }
  times.sort((a, b) => a - b);
  return {
    backend: core.backend,
    variant: core.variant,
    epochs,
    steps: times.length,
    ...result,
    millisecondsPerStep: times[times.length >> 1] ?? Number.NaN,
    afterFirstEpoch,
    parameters: parametersNow(),
  };
}

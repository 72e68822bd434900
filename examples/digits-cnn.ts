// A convolutional network on handwritten digits, a little turned, scaled and shifted anew in each epoch.

import { SingleBar } from "cli-progress";
import { cosineDecay, createCore, RMSProp } from "lanewise";
import {
  batchNorm,
  conv2d,
  dense,
  dropout,
  flatten,
  maxPool2d,
  type Progress,
  Random,
  relu,
  Sequential,
  softmaxCrossEntropy,
  Trainer,
} from "lanewise/nn";
import { loadDigits } from "./digits/data.js";
import { runAsMain } from "./main.js";
import { type Point, savePlot } from "./plot.js";
import { conclude, quick } from "./training.js";

const BATCH = 64;
const SIZE = 28;
const PIXELS = SIZE * SIZE;

export interface Settings {
  readonly trainCount: number;
  readonly epochs: number;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Epoch {
  readonly loss: number;
  readonly accuracy: number;
}

/** Trains on the first digits and tests on 2,000 others; yields the loss and the test accuracy of each epoch. */
export async function* run({ trainCount, epochs, onProgress }: Settings): AsyncGenerator<Epoch> {
  using core = await createCore();
  const { train, test } = loadDigits(8000, 0);
  using model = new Sequential(
    core,
    [
      ...[16, 32].flatMap((filters) => [
        conv2d(filters, { kernelSize: 5, bias: false }),
        batchNorm({ momentum: 0.9 }),
        relu(),
        maxPool2d(2),
      ]),
      flatten(),
      dense(128, { activation: "relu" }),
      dropout(0.5),
      dense(10),
    ],
    { inputShape: [SIZE, SIZE, 1] },
  );
  const steps = epochs * Math.ceil(trainCount / BATCH);
  using trainer = new Trainer(model, {
    loss: softmaxCrossEntropy(),
    optimizer: (parameters) => new RMSProp(core, parameters, { learningRate: cosineDecay(1e-3, steps) }),
  });
  const random = new Random(1);
  const x = core.tensor([trainCount, SIZE, SIZE, 1]);
  const y = train.labels.subarray(0, trainCount);
  const validation = { x: core.tensor([test.count, SIZE, SIZE, 1], test.images), y: test.labels };
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let i = 0; i < x.size; i += PIXELS) {
      distort(train.images.subarray(i, i + PIXELS), x.data.subarray(i, i + PIXELS), random);
    }
    const fit = trainer.fit({ x, y }, { batchSize: BATCH, validation, ...(onProgress && { onProgress }) });
    for await (const { loss, validation } of fit) yield { loss, accuracy: validation!.accuracy };
  }
}

/** Turns an image by up to 12°, scales it by up to a tenth and shifts it by up to two pixels, bilinearly. */
function distort(image: Float32Array, out: Float32Array, random: Random): void {
  const within = (limit: number) => limit * (2 * random.uniform() - 1);
  const angle = within(Math.PI / 15);
  const scale = 1 + within(0.1);
  const [cos, sin] = [Math.cos(angle) * scale, Math.sin(angle) * scale];
  const middle = (SIZE - 1) / 2;
  const [shiftX, shiftY] = [middle + within(2), middle + within(2)];
  const at = (row: number, column: number) =>
    row >= 0 && row < SIZE && column >= 0 && column < SIZE ? image[row * SIZE + column]! : 0;
  for (let i = 0; i < PIXELS; i++) {
    const [dx, dy] = [(i % SIZE) - middle, Math.floor(i / SIZE) - middle];
    const [x, y] = [cos * dx - sin * dy + shiftX, sin * dx + cos * dy + shiftY];
    const [column, row] = [Math.floor(x), Math.floor(y)];
    const [right, below] = [x - column, y - row];
    const upper = at(row, column) * (1 - right) + at(row, column + 1) * right;
    const lower = at(row + 1, column) * (1 - right) + at(row + 1, column + 1) * right;
    out[i] = upper * (1 - below) + lower * below;
  }
}

await runAsMain(import.meta.url, async () => {
  const settings = quick ? { trainCount: 1500, epochs: 4 } : { trainCount: 8000, epochs: 20 };
  console.log(`28 × 28 → 16 filters → 32 filters → 128 → 10, RMSProp from 1e-3 to 0, ${settings.trainCount} digits\n`);
  const bar = new SingleBar({ format: "[{bar}] {value}/{total} loss {loss}", clearOnComplete: true });
  const losses: Point[] = [];
  const errors: Point[] = [];
  let accuracy = 0;
  const onProgress = ({ batch, batches, loss }: Progress) => {
    if (batch === 1) bar.start(batches, 0, { loss: "" });
    bar.update(batch, { loss: loss.toFixed(4) });
  };
  for await (const epoch of run({ ...settings, onProgress })) {
    bar.stop();
    const number = losses.length + 1;
    accuracy = epoch.accuracy;
    losses.push([number, epoch.loss]);
    errors.push([number, 1 - accuracy]);
    console.log(
      `epoch ${String(number).padStart(2)}  loss ${epoch.loss.toFixed(4)}  accuracy on 2,000 others ${accuracy.toFixed(4)}`,
    );
  }
  savePlot(
    "digits-cnn",
    "Convolutional network on handwritten digits",
    { "training loss": losses, "share of wrong answers on 2,000 other digits": errors },
    { x: { label: "epoch" }, y: { label: "loss, share", type: "log" } },
  );
  conclude("test accuracy", accuracy, { atLeast: quick ? 0.8 : 0.985 });
});

import { performance } from "node:perf_hooks";
import { type Core, RMSProp, type RMSPropOptions } from "lanewise";
import { dense, type Progress, relu, Sequential, softmaxCrossEntropy, Trainer } from "lanewise/nn";
import type { Digits } from "./data.js";

/** How to train. */
export interface TrainOptions {
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
  /** All parameters after the first epoch, one after the other. */
  afterFirstEpoch: Float32Array;
}

/** Trains 784-128-10 (ReLU, softmax cross-entropy) on one core. */
export async function trainDigits(
  core: Core,
  train: Digits,
  test: Digits,
  options: TrainOptions,
): Promise<TrainResult> {
  const { epochs, batchSize, seed, optimizer, signal, onProgress, onEpoch } = options;
  const model = new Sequential(core, [dense(784, 128), relu(), dense(128, 10)], { seed });
  const trainer = new Trainer(model, {
    loss: softmaxCrossEntropy(),
    optimizer: (parameters) => new RMSProp(core, parameters, optimizer),
    seed,
  });
  // Both sets are moved into linear memory once; batches are then gathered within it.
  const x = core.tensor([train.count, 784], train.images);
  const testX = core.tensor([test.count, 784], test.images);
  const times: number[] = [];
  let last = performance.now();
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
    if (epoch === 1)
      afterFirstEpoch = Float32Array.from(Object.values(model.parameters).flatMap(({ data }) => [...data]));
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
  };
}

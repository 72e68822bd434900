import type { Tensor as TfTensor } from "@tensorflow/tfjs-core";
import { FitHistory } from "./history.js";
import { type Data, type Session, scalars } from "./session.js";
import type { FitLoopArguments, Logs, TfCallback, TfData, TfModel } from "./tfjs-model.js";

/** Milliseconds after which weights that are copied are given to the model, so that others find them. */
const PUBLISH_MILLISECONDS = 100;

/** Splits what a function of TensorFlow.js is given, and reads it. */
export async function readData(tf: TfModel, ins: TfData): Promise<Data> {
  await Promise.all(ins.map((each) => each?.data()));
  return readDataSync(tf, ins);
}

export function readDataSync(tf: TfModel, ins: TfData): Data {
  const count = tf.inputs.length;
  const weights = ins[count + 1];
  return {
    rows: ins[0]!.shape[0]!,
    inputs: ins.slice(0, count).map((each) => numbersOf(each!)),
    targets: numbersOf(ins[count]!),
    weights: weights == null ? undefined : numbersOf(weights),
  };
}

/** The elements of a tensor as float32. */
export function numbersOf(tensor: TfTensor): Float32Array {
  const values = tensor.dataSync();
  return values instanceof Float32Array ? values : Float32Array.from(values);
}

/** The mean loss and metrics over all rows, batch by batch. */
export function test(session: Session, data: Data, batchSize: number): number[] {
  const sums: number[] = [];
  for (let first = 0; first < data.rows; first += batchSize) {
    const count = Math.min(batchSize, data.rows - first);
    for (const [i, value] of session.test(data, first, count).entries()) sums[i] = (sums[i] ?? 0) + count * value;
  }
  return sums.map((sum) => sum / data.rows);
}

/** What `fit` does when TensorFlow.js has checked its arguments: its loop over epochs and batches. */
export async function fitLoop(
  tf: TfModel,
  session: Session,
  data: Data,
  validation: Data | undefined,
  [
    ,
    ,
    labels,
    batchSize = 32,
    epochs = 1,
    verbose = 1,
    given = [],
    ,
    ,
    shuffle = true,
    metrics,
    start = 0,
  ]: FitLoopArguments,
): Promise<object> {
  const { rows } = data;
  const history = new FitHistory();
  const callbacks: TfCallback[] = [...given, history];
  const params = { epochs, initialEpoch: start, samples: rows, steps: null, batchSize, verbose };
  for (const callback of callbacks) {
    callback.setParams({ ...params, doValidation: validation !== undefined, metrics });
    callback.setModel(tf);
  }
  tf.history = history;
  const seesBatches = given.some((callback) => sees(callback, "batch"));
  const seesEpochs = given.some((callback) => sees(callback, "epoch"));
  const order = shuffle ? Uint32Array.from({ length: rows }, (_, i) => i) : undefined;
  const publishes = seesBatches ? 0 : PUBLISH_MILLISECONDS;
  for (const callback of callbacks) await callback.onTrainBegin({});
  tf.stopTraining = false;
  session.begin();
  let published = Date.now();
  try {
    for (let epoch = start; epoch < epochs; epoch++) {
      for (const callback of callbacks) await callback.onEpochBegin(epoch, {});
      if (order !== undefined) shuffleInPlace(order);
      if (seesEpochs) session.goOn();
      const logs: Logs = {};
      const sums = labels.map(() => 0);
      let seen = 0;
      for (let first = 0, batch = 0; first < rows; first += batchSize, batch++) {
        const batchLogs: Logs = {};
        if (seesBatches) {
          for (const callback of given) await callback.onBatchBegin(batch, batchLogs);
          session.goOn();
        }
        const size = Math.min(batchSize, rows - first);
        const results = session.step(data, order, first, size);
        batchLogs.batch = batch;
        batchLogs.size = size;
        seen += size;
        for (const [i, label] of labels.entries()) {
          batchLogs[label] = results[i]!;
          sums[i]! += results[i]! * size;
        }
        if (first + size === rows && validation !== undefined) {
          const values = test(session, validation, batchSize);
          for (const [i, label] of labels.entries()) logs[`val_${label}`] = values[i]!;
        }
        if (publishes === 0 || Date.now() - published >= publishes) {
          if (seesBatches) session.publishAll();
          else session.publish();
          published = Date.now();
        }
        for (const callback of given) await callback.onBatchEnd(batch, batchLogs);
        if (tf.stopTraining) break;
      }
      for (const [i, label] of labels.entries()) logs[label] = sums[i]! / seen;
      if (seesEpochs) session.publishAll();
      for (const callback of callbacks) await callback.onEpochEnd(epoch, logs);
      if (seesEpochs) session.goOn();
      if (tf.stopTraining) break;
    }
  } finally {
    session.publishAll();
  }
  for (const callback of callbacks) await callback.onTrainEnd({});
  return history;
}

/** One step of training; the loss and the metrics as scalars. */
export function trainOnBatch(session: Session, data: Data): TfTensor[] {
  session.begin();
  const results = session.step(data, undefined, 0, data.rows);
  session.publishAll();
  return scalars(results);
}

function shuffleInPlace(order: Uint32Array): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    const kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  }
}

/** What `fit` makes of a record of functions. */
interface CustomCallback extends TfCallback {
  readonly yieldEvery: unknown;
  readonly yield?: unknown;
  readonly batchBegin?: unknown;
  readonly batchEnd?: unknown;
  readonly epochBegin?: unknown;
  readonly epochEnd?: unknown;
}

/** Whether a callback lets others run after a batch, or after an epoch, who then may look at the model. */
function sees(callback: TfCallback, what: "batch" | "epoch"): boolean {
  if ("yieldEvery" in callback) {
    const { yieldEvery, batchBegin, batchEnd, epochBegin, epochEnd, yield: onYield } = callback as CustomCallback;
    const functions = what === "batch" ? [batchBegin, batchEnd, onYield] : [epochBegin, epochEnd];
    return yieldEvery === what || functions.some((each) => each != null);
  }
  // A class: it may have either method from the class of all callbacks, where both do nothing.
  let base: object = callback;
  for (let next: object | null = base; next !== null; next = Object.getPrototypeOf(next)) {
    if (Object.hasOwn(next, "onBatchEnd") && Object.hasOwn(next, "setParams")) base = next;
  }
  const root = base as Partial<TfCallback>;
  if (what === "batch") return callback.onBatchBegin !== root.onBatchBegin || callback.onBatchEnd !== root.onBatchEnd;
  return callback.onEpochBegin !== root.onEpochBegin || callback.onEpochEnd !== root.onEpochEnd;
}

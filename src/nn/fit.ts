import { OptionError } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { Batch } from "./data.js";
import { checkFit, type FitOptions, type FitSettings } from "./fit-options.js";
import type { ModelPlan } from "./model-plan.js";
import { type MetricValues, Recorder } from "./recorder.js";
import type { CheckedBatch, Dataset, Evaluation, ModelOptimizer, Trainer } from "./trainer.js";
import type { RunArgument } from "./value.js";
import type { Workspace } from "./workspace.js";

/** Where `fit` is, after a batch. */
export interface Progress {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Batches of this epoch that are done. */
  readonly batch: number;
  readonly batches: number;
  /** Loss of this batch, before its update. */
  readonly loss: number;
}

/** An epoch that `fit` has finished. */
export interface Epoch {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Mean loss over the samples, each taken before its batch's update; without batches that the optimizer skipped. */
  readonly loss: number;
  /** Metrics over the training batches, each before its update. */
  readonly metrics?: MetricValues;
  readonly validation?: Evaluation;
  /** Batches that the optimizer skipped, because a gradient was not finite and `onNonFinite` is `"skip"`. */
  readonly skipped?: number;
}

/** Milliseconds that `fit` computes before it lets others run. */
const YIELD_MILLISECONDS = 12;

/**
 * A run of `fit`: a promise of its history, and an iterator over its epochs. It starts by itself unless it is iterated.
 */
export class Fit implements PromiseLike<Epoch[]>, AsyncIterableIterator<Epoch> {
  readonly #epochs: AsyncGenerator<Epoch, void, undefined>;
  #isIterated = false;
  #history: Promise<Epoch[]> | undefined;

  /** Checks everything at once; what is wrong is thrown by the promise or by the first `next`. @internal */
  constructor(trainer: Trainer<ModelOptimizer>, data: Dataset, options: FitOptions) {
    let prepared: (() => AsyncGenerator<Epoch, void, undefined>) | undefined;
    let failure: unknown;
    try {
      prepared = prepare(this, trainer, data, options);
    } catch (error) {
      failure = error;
    }
    this.#epochs = prepared === undefined ? failing(failure) : prepared();
    queueMicrotask(() => {
      if (!this.#isIterated) void this.#run();
    });
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise
  then<A = Epoch[], B = never>(
    onFulfilled?: ((history: Epoch[]) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#run().then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<Epoch[] | B> {
    return this.#run().catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<Epoch[]> {
    return this.#run().finally(onFinally);
  }

  /** Runs the next epoch. */
  next(): Promise<IteratorResult<Epoch, void>> {
    this.#isIterated = true;
    return this.#epochs.next();
  }

  /** Ends training here. */
  return(): Promise<IteratorResult<Epoch, void>> {
    this.#isIterated = true;
    return this.#epochs.return();
  }

  throw(error: unknown): Promise<IteratorResult<Epoch, void>> {
    return this.#epochs.throw(error);
  }

  [Symbol.asyncIterator](): this {
    this.#isIterated = true;
    return this;
  }

  #run(): Promise<Epoch[]> {
    this.#history ??= collect(this.#epochs);
    return this.#history;
  }
}

async function collect(epochs: AsyncIterable<Epoch>): Promise<Epoch[]> {
  const history: Epoch[] = [];
  for await (const epoch of epochs) history.push(epoch);
  return history;
}

/** An iterator that throws at once. */
// biome-ignore lint/correctness/useYield: it never gets so far
async function* failing(error: unknown): AsyncGenerator<Epoch, void, undefined> {
  throw error;
}

/** Checks the arguments of `fit`; returns what trains. */
function prepare(fit: Fit, trainer: Trainer<ModelOptimizer>, data: Dataset, options: FitOptions) {
  const settings = checkFit(trainer, data, options);
  trainer.begin(fit);
  return () => train(fit, trainer, settings);
}

async function* train(
  fit: Fit,
  trainer: Trainer<ModelOptimizer>,
  settings: FitSettings,
): AsyncGenerator<Epoch, void, undefined> {
  const { epochs, batchSize, shuffle, data, validation, metrics, stopper, callbacks, signal } = settings;
  const { rows, kind } = data;
  const batches = Math.ceil(rows / batchSize);
  const sources = gatherings(trainer, data);
  const order = new Uint32Array(rows);
  const recorder = metrics.length === 0 ? undefined : new Recorder(trainer, rows, kind);
  let lastPause = Date.now();
  let isStopped = false;
  let isWhole = true;
  try {
    for (let epoch = 1; epoch <= epochs && !isStopped; epoch++) {
      // Each epoch begins from the same order, so that it does not matter in which call of `fit` it is.
      for (let i = 0; i < rows; i++) order[i] = i;
      if (shuffle) trainer.random.shuffle(order);
      isWhole = false;
      const sum = { loss: 0, rows: 0, skipped: 0 };
      recorder?.clear();
      for (let index = 0; index < batches && !isStopped; index++) {
        signal?.throwIfAborted();
        trainer.assertLive();
        const chosen = order.subarray(index * batchSize, (index + 1) * batchSize);
        const { found, workspace } = trainer.planFor(chosen.length, kind);
        for (const { source, into, argument } of sources) {
          const room = into(workspace);
          gather(source, chosen, room);
          found.plan.set(argument(found), room.ptr);
        }
        const { iterations } = trainer.optimizer;
        const loss = trainer.stepOn(found, recorder);
        if (!Number.isFinite(loss) && hasSkipped(trainer.optimizer, iterations)) sum.skipped++;
        else {
          sum.loss += loss * chosen.length;
          sum.rows += chosen.length;
        }
        const progress = { epoch, epochs, batch: index + 1, batches, loss };
        for (const callback of callbacks) if ((await callback.onBatch?.(progress)) === false) isStopped = true;
        if (Date.now() - lastPause >= YIELD_MILLISECONDS) {
          await letOthersRun();
          lastPause = Date.now();
        }
      }
      // An accumulation that the epoch leaves unfinished would take the next one's data in.
      trainer.flush();
      isWhole = true;
      const report: Epoch = {
        epoch,
        epochs,
        loss: sum.loss / sum.rows,
        ...(recorder && { metrics: recorder.compute(metrics) }),
        ...(validation && { validation: trainer.evaluateChecked(validation, metrics) }),
        ...(sum.skipped > 0 && { skipped: sum.skipped }),
      };
      if (stopper?.observe(report)) isStopped = true;
      for (const callback of callbacks) if ((await callback.onEpoch?.(report)) === false) isStopped = true;
      if (isStopped || epoch === epochs) stopper?.restore();
      yield report;
    }
  } finally {
    trainer.end(fit);
    if (!isWhole) trainer.discard();
  }
}

/** Whether an optimizer has passed a batch over, whose loss is not finite, after this number of updates. */
function hasSkipped(optimizer: ModelOptimizer, before: number | undefined): boolean {
  if (before === undefined || optimizer.iterations !== before) return false;
  // In the middle of an accumulation it makes no update either.
  const description = optimizer.description?.();
  return description === undefined || description.onNonFinite === "skip";
}

/** Rows to gather from: `values` returns what they are now, because memory may have moved. */
interface Source {
  readonly width: number;
  values(): ArrayLike<number>;
}

/** A source, and where a plan reads what is gathered from it. */
interface Gathering {
  readonly source: Source;
  into(workspace: Workspace): Tensor;
  argument(plan: ModelPlan): RunArgument;
}

function gatherings(trainer: Trainer<ModelOptimizer>, { xs, ys, weights, kind }: CheckedBatch): Gathering[] {
  const { inputTensors } = trainer.model;
  const inputs = xs.map((x, i): Gathering => {
    const source = sourceOf(xs.length === 1 ? "data.x" : `data.x[${i}]`, x, inputTensors[i]!.size);
    return { source, into: (workspace) => workspace.input(i), argument: (plan) => plan.inputs[i]! };
  });
  const targets = ys.map((y, i): Gathering => {
    const source = sourceOf(ys.length === 1 ? "data.y" : `data.y[${i}]`, y, trainer.targetRow(i, kind).size);
    return { source, into: (workspace) => workspace.target(i), argument: (plan) => plan.targets[i]! };
  });
  if (weights === undefined) return [...inputs, ...targets];
  const source = sourceOf("sampleWeights", weights, 1);
  return [...inputs, ...targets, { source, into: (workspace) => workspace.weights, argument: (plan) => plan.weights }];
}

/** An array is the caller's between two batches, who may transfer or shorten it. */
function sourceOf(name: string, batch: Batch, width: number): Source {
  if (batch instanceof Tensor) return { width, values: () => batch.data };
  const { length } = batch;
  const values = (): ArrayLike<number> => {
    if (batch.length === length) return batch;
    throw new OptionError(`${name} has ${batch.length} elements, expected ${length}, as when fit began`);
  };
  return { width, values };
}

/** Copies the chosen rows of a source to the start of `into`. */
function gather({ width, values }: Source, chosen: Uint32Array, into: Tensor): void {
  const from = values();
  const to = into.data;
  let at = 0;
  for (let i = 0; i < chosen.length; i++) {
    const start = chosen[i]! * width;
    for (let j = 0; j < width; j++) to[at++] = from[start + j]!;
  }
}

/** Ends this turn of the event loop where there is one. */
function letOthersRun(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setTimeout === "function") setTimeout(resolve, 0);
    else resolve();
  });
}

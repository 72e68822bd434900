import { checkBoolean, checkFunction, checkInteger, checkKeys, checkSignal, unexpected } from "../checks.js";
import { OptionError, ShapeError } from "../errors.js";
import type { Layer } from "../nn/layer.js";
import { architectureOf } from "../nn/model-file/architecture.js";
import type { Dataset, Trainer } from "../nn/trainer.js";
import { sizeOf, Tensor } from "../tensor.js";
import { VERSION } from "../version.js";
import { arrayRows, isRowSource, type RowSource } from "./data.js";
import type { Description } from "./description.js";
import { type DistributedEpoch, DistributedFit } from "./distributed-fit.js";
import type { Group, GroupEvents, Session, Traffic } from "./group.js";
import { digestsOf, type ModelWork, type Notes, type StepReport } from "./model-work.js";
import type { Order } from "./order.js";

/** Options of `fit`. */
export interface DistributedFitOptions {
  /** Passes over the data in all, from the run's beginning; default 1. */
  epochs?: number;
  /**
   * Rows a step, over all members, for `DistributedTrainer`; for `DiLoCo` of each local step of a slot. The last of an
   * epoch may be smaller. Default 128.
   */
  batchSize?: number;
  /** A new order of the rows each epoch; default true. */
  shuffle?: boolean;
  /** Evaluated after each epoch, by each member for itself. */
  validation?: Dataset;
  /** Ends this member's part; the iteration then throws the signal's reason, the others go on. */
  signal?: AbortSignal;
  onProgress?: (progress: DistributedProgress) => void;
}

/** Where a run is, after a step. */
export interface DistributedProgress {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps of this epoch that are done. */
  readonly batch: number;
  readonly batches: number;
  /** Loss of this step, before its update. */
  readonly loss: number;
  readonly members: readonly string[];
  readonly traffic: Traffic;
}

/** What must not change between two calls of `fit`. */
interface Running {
  readonly session: Session;
  readonly work: ModelWork;
  readonly order: Order;
  readonly key: string;
}

/** What `DistributedTrainer` and `DiLoCo` share: taking part in a run, epoch by epoch. */
export abstract class GroupTrainer {
  readonly trainer: Trainer;
  readonly group: Group;
  #running: Running | undefined;
  #isBusy = false;
  #report: (report: StepReport) => void = () => {};
  /** Σ loss · rows of the epoch that is under way. */
  #lossSum = 0;

  constructor(trainer: Trainer, group: Group) {
    if (typeof trainer?.backward !== "function") throw unexpected("trainer", trainer, "a Trainer");
    if (typeof group?.open !== "function") throw unexpected("group", group, "a group, such as new LocalGroup()");
    this.trainer = trainer;
    this.group = group;
  }

  /** What the run is, beside model, data and what `fit` is given. */
  protected abstract readonly settings: object;
  /** Which rows a step has. */
  protected abstract createOrder(rows: number, batchSize: number, shuffle: boolean): Order;
  protected abstract createWork(
    source: RowSource,
    order: Order,
    report: (report: StepReport) => void,
    notes: Notes,
  ): ModelWork;

  /** Calls `listener` for each event of the group; the function that is returned ends that. */
  on<Name extends keyof GroupEvents>(name: Name, listener: (value: GroupEvents[Name]) => void): () => void {
    return this.group.on(name, listener);
  }

  /**
   * Starts the run or joins it, and trains until it has made that number of epochs. Yields those that finish meanwhile; awaited
   * it gives an array of them. Every member passes the same data, options, model and optimizer.
   *
   * @param data arrays or tensors of all rows, or a source that fetches them
   * @throws GroupError if the run has another description; DivergenceError; the reason of `signal`; OptionError,
   *   ShapeError
   */
  fit(data: Dataset | RowSource, options: DistributedFitOptions = {}): DistributedFit {
    return this.#fit(data, options, false);
  }

  /**
   * `fit` for a run that exists: goes on from its last stored step, with the bits of a run that was never interrupted.
   *
   * @throws GroupError if nobody has started the run; and as `fit`
   */
  resume(data: Dataset | RowSource, options: DistributedFitOptions = {}): DistributedFit {
    return this.#fit(data, options, true);
  }

  #fit(data: Dataset | RowSource, options: DistributedFitOptions, mustExist: boolean): DistributedFit {
    checkKeys("options", options, ["epochs", "batchSize", "shuffle", "validation", "signal", "onProgress"]);
    const { epochs = 1, batchSize = 128, shuffle = true, signal, onProgress } = options;
    checkInteger("epochs", epochs, 0);
    checkInteger("batchSize", batchSize, 1);
    checkBoolean("shuffle", shuffle);
    checkSignal("signal", signal);
    if (onProgress !== undefined) checkFunction("onProgress", onProgress);
    if (this.#isBusy) throw new OptionError("fit was called while another fit of this trainer runs");
    const complete = { ...options, epochs, batchSize, shuffle };
    return new DistributedFit((emit, stop) => this.#train(data, complete, mustExist, emit, stop));
  }

  async #train(
    data: Dataset | RowSource,
    options: DistributedFitOptions & { epochs: number; batchSize: number; shuffle: boolean },
    mustExist: boolean,
    emit: (epoch: DistributedEpoch) => void,
    stop: AbortSignal,
  ): Promise<void> {
    const { epochs, signal } = options;
    signal?.throwIfAborted();
    this.#isBusy = true;
    const end = () => void this.group.leave();
    try {
      const { session, work, order } = await this.#open(data, options, mustExist);
      signal?.addEventListener("abort", end);
      stop.addEventListener("abort", end);
      this.#report = (report) => this.#note(report, order, options, emit);
      work.target = epochs * order.stepsPerEpoch;
      await session.finished();
      signal?.throwIfAborted();
    } finally {
      signal?.removeEventListener("abort", end);
      this.#isBusy = false;
    }
  }

  async #open(
    data: Dataset | RowSource,
    { epochs, batchSize, shuffle }: { epochs: number; batchSize: number; shuffle: boolean },
    mustExist: boolean,
  ): Promise<Running> {
    const { model, losses } = this.trainer;
    const parts = { inputs: model.inputTensors.length, outputs: losses.length };
    const source = isRowSource(data) ? data : arrayRows(data, this.#countRows(data), parts);
    if (!(source.count >= 1)) throw new ShapeError(`data has ${source.count} rows, expected at least one`);
    const key = JSON.stringify([source.description, source.count, batchSize, shuffle]);
    const running = this.#running;
    if (running !== undefined) {
      if (running.key !== key) throw new OptionError("fit was called with other data or options than before");
      return running;
    }
    const order = this.createOrder(source.count, batchSize, shuffle);
    const notes = {
      save: () => JSON.stringify({ lossSum: this.#lossSum }),
      load: (text: string) => {
        this.#lossSum = (JSON.parse(text) as { lossSum: number }).lossSum;
      },
    };
    const description = this.#describe({ ...this.settings, batchSize, shuffle }, source);
    const work = this.createWork(source, order, (report) => this.#report(report), notes);
    work.target = epochs * order.stepsPerEpoch;
    const listener = { stepped: () => {}, resynchronised: () => {} };
    const session = await this.group.open(work, description, listener, { mustExist });
    this.#running = { session, work, order, key };
    return this.#running;
  }

  #countRows({ x }: Dataset): number {
    const { inputTensors } = this.trainer.model;
    const first = (inputTensors.length > 1 ? (x as readonly unknown[])[0] : x) as
      | Tensor
      | ArrayLike<number>
      | undefined;
    if (first instanceof Tensor) return first.shape[0] ?? 0;
    if (Array.isArray(first) && typeof first[0] === "object") return first.length; // nested rows
    return (first?.length ?? 0) / sizeOf(inputTensors[0]!.shape);
  }

  #describe(options: Description, source: RowSource): Description {
    const { model, losses } = this.trainer;
    const architecture = architectureOf(model);
    return {
      lanewise: VERSION,
      arithmetic: model.core.variant.includes("relaxed") ? "relaxed" : "reproducible",
      options,
      data: { rows: source.count, description: source.description },
      model: {
        ...architecture,
        layers: architecture.layers.map((entry, i) => ({ ...entry, ...namedArguments(model.layers[i]!, entry.args) })),
        parameters: digestsOf(model.parameters),
        buffers: digestsOf(model.buffers),
      },
      losses: losses.map((loss) => ({ ...loss })),
      optimizer: this.trainer.description(),
    };
  }

  #note(
    { step, loss }: StepReport,
    order: Order,
    { epochs, validation, onProgress }: DistributedFitOptions & { epochs: number },
    emit: (epoch: DistributedEpoch) => void,
  ): void {
    const batches = order.stepsPerEpoch;
    const epoch = Math.ceil(step / batches);
    const batch = step - (epoch - 1) * batches;
    this.#lossSum += loss * order.rowsOf(step - 1);
    const { members, traffic } = this.group;
    onProgress?.({ epoch, epochs, batch, batches, loss, members, traffic });
    if (batch < batches) return;
    const mean = this.#lossSum / order.rows;
    this.#lossSum = 0;
    const done = { epoch, epochs, loss: mean };
    const evaluation = validation && this.trainer.evaluate(validation.x, validation.y);
    emit(evaluation === undefined ? done : { ...done, validation: evaluation });
  }
}

/** The layer's fields with the numbers and words it was made from: their names tell what an argument means. */
function namedArguments(layer: Layer, args: readonly unknown[]): object {
  return Object.fromEntries(Object.entries(layer).filter(([, value]) => args.includes(value)));
}

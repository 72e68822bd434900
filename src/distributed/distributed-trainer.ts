import { checkBoolean, checkInteger, checkKeys, unexpected } from "../checks.js";
import { OptionError, ShapeError } from "../errors.js";
import type { Dataset, Evaluation, Trainer } from "../nn/trainer.js";
import { readRows } from "../nn/data.js";
import { VERSION } from "../version.js";
import { arrayRows, isRowSource, type RowSource } from "./data.js";
import type { Description } from "./description.js";
import type { Group, GroupEvents, Session, Traffic } from "./group.js";
import { Order } from "./order.js";
import { digestsOf, type StepReport, TrainingWork } from "./training-work.js";

/** Options of `DistributedTrainer`. */
export interface DistributedTrainerOptions {
  /** Micro-batches a step, 1 to 65,536; default 16. It is part of the run: another number gives other bits. */
  microBatches?: number;
  /** Seed of the order of rows and of dropout, an integer from 0 to 2³² − 1; default 0. */
  seed?: number;
}

/** Options of `DistributedTrainer.fit`. */
export interface DistributedFitOptions {
  /** Passes over the data in all, from the run's beginning; default 1. */
  epochs?: number;
  /** Rows a step, over all members; the last batch of an epoch may be smaller. Default 128. */
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

/** An epoch that the run has finished. */
export interface DistributedEpoch {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Mean loss over the rows, each taken before its step's update. */
  readonly loss: number;
  readonly validation?: Evaluation;
}

/** What must not change between two calls of `fit`. */
interface Running {
  readonly session: Session;
  readonly work: TrainingWork;
  readonly order: Order;
  readonly key: string;
}

/**
 * Trains a model together with the other members of a group: synchronous data-parallel training.
 *
 * A step's batch is cut into micro-batches. Members compute the gradients of those that the leader assigns to them; the
 * sum over all is made in the order of a fixed binary tree; every member then makes the same optimizer step. Parameters
 * never depend on how many members there are, who they are, or which of them come and go: they are, bit for bit, those
 * of `LocalGroup`.
 *
 * Cost: a step moves 4 bytes a parameter from each member to the leader for each of its blocks, mostly one or two, and 4
 * bytes a parameter back. docs/guide/distributed.md has the figures.
 *
 * @example
 * const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer: (p) => new RMSProp(core, p) });
 * const distributed = new DistributedTrainer(trainer, new LocalGroup(), { microBatches: 16 });
 * for await (const { epoch, loss } of distributed.fit({ x, y }, { epochs: 5 })) console.log(epoch, loss);
 */
export class DistributedTrainer {
  readonly trainer: Trainer;
  readonly group: Group;
  readonly #microBatches: number;
  readonly #seed: number;
  #running: Running | undefined;
  #isBusy = false;
  #report: (report: StepReport) => void = () => {};
  /** Σ loss · rows of the epoch that is under way. */
  #lossSum = 0;

  /** @throws OptionError */
  constructor(trainer: Trainer, group: Group, options: DistributedTrainerOptions = {}) {
    checkKeys("options", options, ["microBatches", "seed"]);
    const { microBatches = 16, seed = 0 } = options;
    checkInteger("microBatches", microBatches, 1, 65536);
    checkInteger("seed", seed, 0, 2 ** 32 - 1);
    if (typeof trainer?.backward !== "function") throw unexpected("trainer", trainer, "a Trainer");
    if (typeof group?.open !== "function") throw unexpected("group", group, "a group, such as new LocalGroup()");
    this.trainer = trainer;
    this.group = group;
    this.#microBatches = microBatches;
    this.#seed = seed;
  }

  /** Calls `listener` for each event of the group; the function that is returned ends that. */
  on<Name extends keyof GroupEvents>(name: Name, listener: (value: GroupEvents[Name]) => void): () => void {
    return this.group.on(name, listener);
  }

  /**
   * Starts the run or joins it, and trains until it has made so many epochs. Yields those that finish meanwhile; awaited
   * it gives an array of them. Every member passes the same data, options, model and optimizer.
   *
   * @param data arrays or tensors that hold all rows, or a source that fetches them
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
    if (signal !== undefined && typeof signal?.throwIfAborted !== "function") {
      throw unexpected("signal", signal, "an AbortSignal");
    }
    if (onProgress !== undefined && typeof onProgress !== "function") {
      throw unexpected("onProgress", onProgress, "a function");
    }
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
    const source = isRowSource(data) ? data : arrayRows(data, this.#countRows(data));
    if (source.count < 1) throw new ShapeError(`data has ${source.count} rows, expected at least one`);
    const key = JSON.stringify([source.description, source.count, batchSize, shuffle]);
    const running = this.#running;
    if (running !== undefined) {
      if (running.key !== key) throw new OptionError("fit was called with other data or options than before");
      return running;
    }
    const order = new Order(source.count, batchSize, this.#microBatches, shuffle, this.#seed);
    const notes = {
      save: () => JSON.stringify({ lossSum: this.#lossSum }),
      load: (text: string) => {
        this.#lossSum = (JSON.parse(text) as { lossSum: number }).lossSum;
      },
    };
    const settings = { microBatches: this.#microBatches, seed: this.#seed };
    const work = new TrainingWork(this.trainer, source, order, settings, (report) => this.#report(report), notes);
    work.target = epochs * order.stepsPerEpoch;
    const description = this.#describe({ ...settings, batchSize, shuffle }, source);
    const listener = { stepped: () => {}, resynchronised: () => {} };
    const session = await this.group.open(work, description, listener, { mustExist });
    this.#running = { session, work, order, key };
    return this.#running;
  }

  #countRows({ x }: Dataset): number {
    const { model } = this.trainer;
    const first = model.inputTensors.length > 1 ? (x as readonly never[])[0]! : x;
    return readRows("data.x", first as never, model.core, model.inputTensors[0]!.shape);
  }

  #describe(options: Description, source: RowSource): Description {
    const { model, losses } = this.trainer;
    return {
      lanewise: VERSION,
      arithmetic: model.core.variant.includes("relaxed") ? "relaxed" : "reproducible",
      options,
      data: { rows: source.count, description: source.description },
      model: {
        layers: model.layers.map((layer) => ({ kind: layer.kind, name: layer.name, ...layer.config() })),
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

/**
 * A run of `fit`: a promise of the epochs that finished meanwhile, and an iterator over them. It starts at once, and goes
 * on whether its epochs are read or not: the other members do not wait. Leaving a loop over it leaves the group.
 */
export class DistributedFit implements PromiseLike<DistributedEpoch[]>, AsyncIterable<DistributedEpoch> {
  readonly #epochs: DistributedEpoch[] = [];
  readonly #ended: Promise<void>;
  readonly #stop = new AbortController();
  #wake: () => void = () => {};
  #isOver = false;

  /** @internal */
  constructor(train: (emit: (epoch: DistributedEpoch) => void, stop: AbortSignal) => Promise<void>) {
    const emit = (epoch: DistributedEpoch) => {
      this.#epochs.push(epoch);
      this.#wake();
    };
    this.#ended = train(emit, this.#stop.signal).finally(() => {
      this.#isOver = true;
      this.#wake();
    });
    this.#ended.catch(() => {}); // whoever awaits or iterates sees it
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise of its history, as Trainer's fit is
  then<A = DistributedEpoch[], B = never>(
    fulfilled?: ((epochs: DistributedEpoch[]) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#ended.then(() => [...this.#epochs]).then(fulfilled, rejected);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<DistributedEpoch, void, undefined> {
    try {
      for (let next = 0; ; ) {
        const epoch = this.#epochs[next];
        if (epoch !== undefined) {
          next++;
          yield epoch;
        } else if (this.#isOver) {
          await this.#ended;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      if (!this.#isOver) this.#stop.abort();
    }
  }
}

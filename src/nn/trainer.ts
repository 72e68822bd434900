import { type NetworkKernels, nnFamily } from "../backend/families/nn.js";
import { checkBoolean, checkInteger, checkKeys, describe, unexpected } from "../checks.js";
import { CheckpointError, DisposedError, OptionError, ShapeError } from "../errors.js";
import type { OptimizerDescription } from "../optim/optimizer.js";
import type { OptimizerState } from "../optim/state.js";
import { Random } from "../random.js";
import { Tensor } from "../tensor.js";
import { type Batch, readRows, readTargets, type TargetLayout } from "./data.js";
import type { Loss } from "./losses.js";
import { Sequential } from "./sequential.js";
import { Workspace } from "./workspace.js";

/** What a trainer needs of an optimizer; `RMSProp`, `SGD` and the others are. */
export interface ModelOptimizer {
  step(gradients: Readonly<Record<string, Tensor>>): void;
  dispose(): void;
  /** These three are for the trainer's own. */
  state?(): OptimizerState;
  load?(state: OptimizerState): void;
  description?(): OptimizerDescription;
}

/** The optimizer's state, and where the trainer's random numbers stand. */
export interface TrainerState extends OptimizerState {
  /** Five words in hexadecimal. */
  random: string;
}

/** Options of `Trainer`. */
export interface TrainerOptions {
  loss: Loss;
  /** Makes the optimizer of the model's parameters; the trainer disposes it. */
  optimizer: (parameters: Readonly<Record<string, Tensor>>) => ModelOptimizer;
  /** Seed of dropout and of the order of samples in `fit`, an integer from 0 to 2³² − 1; default 0. */
  seed?: number;
}

/** Inputs and targets, row by row. */
export interface Dataset {
  x: Batch;
  y: Batch;
}

/** The means over a data set. `accuracy` is NaN for losses of regression, where nothing is right or wrong. */
export interface Evaluation {
  readonly loss: number;
  readonly accuracy: number;
}

/** Where `fit` stands, after a batch. */
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

/** Options of `fit`. */
export interface FitOptions {
  /** Passes over the data; default 1. */
  epochs?: number;
  /** Rows a step; the last batch of an epoch may be smaller. Default 32. */
  batchSize?: number;
  /** A new order of the samples each epoch; default true. */
  shuffle?: boolean;
  /** Evaluated after each epoch. */
  validation?: Dataset;
  /** Ends training between two batches; the iteration then throws the signal's reason. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

/** An epoch that `fit` has finished. */
export interface Epoch {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Mean loss over the samples, each taken before its batch's update. */
  readonly loss: number;
  readonly validation?: Evaluation;
}

/** Milliseconds that `fit` computes before it lets others run. */
const YIELD_MILLISECONDS = 12;

/**
 * Trains a model by gradient descent: forward, backward and update, everything in linear memory.
 *
 * @example
 * const trainer = new Trainer(model, {
 *   loss: softmaxCrossEntropy(),
 *   optimizer: (parameters) => new RMSProp(core, parameters, { learningRate: 1e-3 }),
 * });
 * const loss = trainer.step(x, y);
 */
export class Trainer {
  readonly model: Sequential;
  readonly optimizer: ModelOptimizer;
  readonly #loss: Loss;
  /** The model's last activation is computed by the loss. */
  readonly #absorbed: boolean;
  readonly #network: NetworkKernels;
  readonly #random: Random;
  readonly #layouts: { values: TargetLayout; indices: TargetLayout };
  #workspace: Workspace | undefined;
  #targets: Tensor | undefined;
  /** Dropout's seed for the next step; a step that is refused leaves it to the one after. */
  #stepSeed: number;
  #disposed = false;

  /** @throws OptionError, DisposedError, and what the optimizer's constructor throws */
  constructor(model: Sequential, options: TrainerOptions) {
    if (!(model instanceof Sequential)) throw unexpected("model", model, "a Sequential");
    model.assertLive();
    checkKeys("options", options, ["loss", "optimizer", "seed"]);
    const { loss, optimizer, seed = 0 } = options;
    if (typeof loss?.compute !== "function") {
      throw unexpected("loss", loss, "a loss such as softmaxCrossEntropy()");
    }
    if (typeof optimizer !== "function") {
      throw unexpected("optimizer", optimizer, "a function of the parameters");
    }
    checkInteger("seed", seed, 0, 2 ** 32 - 1);
    this.model = model;
    this.#loss = loss;
    this.#network = model.core.kernels(nnFamily);
    this.#random = new Random(seed);
    this.#stepSeed = this.#random.int32();
    const last = model.stages.at(-1)!;
    this.#absorbed = last.kind !== "dropout" && last.activation === loss.absorbs;
    this.#layouts = {
      values: { indices: false, width: model.outputs },
      indices: { indices: true, width: 1 },
    };
    this.optimizer = optimizer(model.parameters);
    if (typeof this.optimizer?.step !== "function" || typeof this.optimizer.dispose !== "function") {
      throw new OptionError(`optimizer returned ${describe(this.optimizer)}, expected an optimizer`);
    }
  }

  /**
   * One step on a batch: forward, backward, update. Returns the mean loss before the update.
   *
   * Cost: about 6 flops a weight and row. Nothing is allocated after the first batch of a size, for up to 32 sizes.
   *
   * @param x [rows, inputs], a tensor (used in place) or an array of rows · inputs numbers (copied)
   * @param y [rows, outputs], or for `softmaxCrossEntropy` class indices [rows]
   * @throws ShapeError, OptionError, DisposedError, OutOfMemoryError, NonFiniteError; parameters and state are then unchanged
   */
  step(x: Batch, y: Batch): number {
    this.#assertLive();
    const { core, inputs, outputs } = this.model;
    const rows = readRows("x", x, core, inputs);
    if (rows === 0) throw new ShapeError("x has no rows, expected at least one");
    const layout = readTargets("y", y, core, rows, outputs, this.#loss.acceptsIndices, this.#layouts);
    const workspace = this.#reserve(rows);
    const xPtr = workspace.input(x, 0, rows);
    let yPtr: number;
    if (y instanceof Tensor) yPtr = y.ptr;
    else {
      this.#targets!.data.set(y);
      yPtr = this.#targets!.ptr;
    }
    return this.#update(workspace, xPtr, yPtr, rows, layout);
  }

  /**
   * Mean loss and share of right answers over a data set, without dropout; changes nothing.
   *
   * A right answer is a row whose largest output is the target's (`softmaxCrossEntropy`), or an output on the target's
   * side of one half (`binaryCrossEntropy`).
   *
   * @throws ShapeError, OptionError, DisposedError, OutOfMemoryError
   */
  evaluate(x: Batch, y: Batch): Evaluation {
    this.#assertLive();
    const { core, inputs, outputs } = this.model;
    const { answers } = this.#loss;
    const rows = readRows("x", x, core, inputs);
    const layout = readTargets("y", y, core, rows, outputs, this.#loss.acceptsIndices, this.#layouts);
    const targets = y instanceof Tensor ? y : core.tensor([rows, layout.width], y);
    let lossSum = 0;
    let correct = 0;
    try {
      this.model.forEachChunk(x, rows, this.#absorbed, (outputPtr, first, count) => {
        const targetsPtr = targets.ptr + first * layout.width * 4;
        lossSum += count * this.#loss.compute(this.#network, count, outputs, outputPtr, targetsPtr, +layout.indices, 0);
        if (answers === "none") return;
        const [answerRows, answerColumns] = answers === "rows" ? [count, outputs] : [count * outputs, 1];
        correct += this.#network.count_correct_f32(
          answerRows,
          answerColumns,
          outputPtr,
          targetsPtr,
          +layout.indices,
          0,
        );
      });
    } finally {
      if (targets !== y) targets.dispose();
    }
    const answerCount = answers === "none" ? 0 : answers === "rows" ? rows : rows * outputs;
    return { loss: lossSum / rows, accuracy: correct / answerCount };
  }

  /**
   * Trains for some epochs; yields after each. Between batches others get to run, so a page stays responsive.
   *
   * @throws ShapeError, OptionError before the first batch; the reason of `signal` when it aborts
   * @example
   * for await (const { epoch, loss } of trainer.fit({ x, y }, { epochs: 5, batchSize: 64 })) console.log(epoch, loss);
   */
  async *fit(data: Dataset, options: FitOptions = {}): AsyncGenerator<Epoch, void, undefined> {
    this.#assertLive();
    checkKeys("options", options, ["epochs", "batchSize", "shuffle", "validation", "signal", "onProgress"]);
    const { epochs = 1, batchSize = 32, shuffle = true, validation, signal, onProgress } = options;
    checkInteger("epochs", epochs, 0);
    checkInteger("batchSize", batchSize, 1);
    checkBoolean("shuffle", shuffle);
    if (signal !== undefined && typeof signal?.throwIfAborted !== "function") {
      throw unexpected("signal", signal, "an AbortSignal");
    }
    if (onProgress !== undefined && typeof onProgress !== "function") {
      throw unexpected("onProgress", onProgress, "a function");
    }
    const { inputs } = this.model;
    const { rows, layout } = this.#readData("data", data);
    if (rows === 0) throw new ShapeError("data.x has no rows, expected at least one");
    if (validation !== undefined) this.#readData("validation", validation);
    const batches = Math.ceil(rows / batchSize);
    const order = new Uint32Array(rows);
    let lastPause = Date.now();
    for (let epoch = 1; epoch <= epochs; epoch++) {
      // Each epoch begins from the same order, so that it does not matter in which call of `fit` it is.
      for (let i = 0; i < rows; i++) order[i] = i;
      if (shuffle) this.#random.shuffle(order);
      let lossSum = 0;
      for (let batch = 0; batch < batches; batch++) {
        signal?.throwIfAborted();
        this.#assertLive();
        const chosen = order.subarray(batch * batchSize, (batch + 1) * batchSize);
        const workspace = this.#reserve(Math.min(batchSize, rows));
        gather(data.x, chosen, inputs, workspace.inputBlock);
        gather(data.y, chosen, layout.width, this.#targets!);
        const loss = this.#update(workspace, workspace.inputBlock.ptr, this.#targets!.ptr, chosen.length, layout);
        lossSum += loss * chosen.length;
        onProgress?.({ epoch, epochs, batch: batch + 1, batches, loss });
        if (Date.now() - lastPause >= YIELD_MILLISECONDS) {
          await letOthersRun();
          lastPause = Date.now();
        }
      }
      const loss = lossSum / rows;
      yield validation === undefined
        ? { epoch, epochs, loss }
        : { epoch, epochs, loss, validation: this.evaluate(validation.x, validation.y) };
    }
  }

  /**
   * Everything training remembers beside the parameters: the optimizer's state, and the position of the random numbers
   * that dropout and `fit` draw. With it a checkpoint goes on to the same bits, between two steps or two calls of `fit`.
   *
   * @throws OptionError if the optimizer has no `state`, DisposedError
   * @example
   * const bytes = saveCheckpoint({ parameters: model.parameters, optimizer: trainer });
   */
  state(): TrainerState {
    this.#assertLive();
    const words = [...this.#random.position, this.#stepSeed >>> 0];
    const random = words.map((word) => word.toString(16).padStart(8, "0")).join("");
    return { ...this.#stateful().state(), random };
  }

  /**
   * Continues from the state of a trainer of the same model and options.
   *
   * @throws CheckpointError if it is none, OptionError, DisposedError; nothing has then changed
   */
  load(state: TrainerState): void {
    this.#assertLive();
    const { random, ...rest } = (state ?? {}) as TrainerState;
    if (typeof random !== "string" || !/^[0-9a-f]{40}$/.test(random)) {
      throw new CheckpointError(`state.random is ${describe(random)}, expected 40 hexadecimal digits`);
    }
    this.#stateful().load(rest);
    const words = Array.from({ length: 5 }, (_, i) => Number.parseInt(random.slice(8 * i, 8 * i + 8), 16));
    this.#random.position = words.slice(0, 4);
    this.#stepSeed = words[4]! | 0;
  }

  /** The optimizer's. */
  description(): OptimizerDescription {
    this.#assertLive();
    const { optimizer } = this;
    if (optimizer.description === undefined) throw new OptionError("optimizer has no description()");
    return optimizer.description();
  }

  #stateful(): Required<ModelOptimizer> {
    const { optimizer } = this;
    if (optimizer.state && optimizer.load) return optimizer as Required<ModelOptimizer>;
    throw new OptionError("optimizer has no state() and load(), expected one of Lanewise's");
  }

  /** Frees the buffers and the optimizer's state, not the model; a second call does nothing. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.optimizer.dispose();
    this.#workspace?.dispose();
    this.#targets?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #assertLive(): void {
    if (this.#disposed) throw new DisposedError("trainer was used after dispose()");
    this.model.assertLive();
  }

  /** Checks a data set; `name` is what messages call it. */
  #readData(name: string, data: Dataset): { rows: number; layout: TargetLayout } {
    checkKeys(name, data, ["x", "y"]);
    const { core, inputs, outputs } = this.model;
    const rows = readRows(`${name}.x`, data.x, core, inputs);
    const { acceptsIndices } = this.#loss;
    return { rows, layout: readTargets(`${name}.y`, data.y, core, rows, outputs, acceptsIndices, this.#layouts) };
  }

  /** Buffers for at least `rows` rows. */
  #reserve(rows: number): Workspace {
    const current = this.#workspace;
    if (current !== undefined && rows <= current.capacity) return current;
    const workspace = new Workspace(this.model, rows, true);
    let targets: Tensor;
    try {
      targets = this.model.core.tensor([rows, this.model.outputs]);
    } catch (error) {
      workspace.dispose();
      throw error;
    }
    current?.dispose();
    this.#targets?.dispose();
    this.#targets = targets;
    this.#workspace = workspace;
    return workspace;
  }

  #update(workspace: Workspace, xPtr: number, yPtr: number, rows: number, layout: TargetLayout): number {
    const { outputs } = this.model;
    const outputPtr = workspace.forward(xPtr, rows, this.#absorbed, this.#stepSeed);
    const gradPtr = workspace.outputGradientPtr;
    const loss = this.#loss.compute(this.#network, rows, outputs, outputPtr, yPtr, +layout.indices, gradPtr);
    workspace.backward();
    this.optimizer.step(workspace.gradients);
    this.#stepSeed = this.#random.int32();
    return loss;
  }
}

/** Copies the chosen rows of `source` to the start of `into`. */
function gather(source: Batch, chosen: Uint32Array, width: number, into: Tensor): void {
  const from = source instanceof Tensor ? source.data : source;
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

import { nnFamily } from "../backend/families/nn.js";
import { checkBoolean, checkFinite, checkInteger, checkKeys, describe, unexpected } from "../checks.js";
import type { Core } from "../core.js";
import { CheckpointError, DisposedError, OptionError, ShapeError } from "../errors.js";
import type { OptimizerDescription } from "../optim/options.js";
import type { OptimizerState } from "../optim/state.js";
import { Random } from "../random.js";
import { Tensor } from "../tensor.js";
import {
  type Batch,
  flatRows,
  type RowShape,
  type Rows,
  readRows,
  readTargets,
  type TargetShape,
  targetShapeOf,
  withoutView,
} from "./data.js";
import { Fit } from "./fit.js";
import type { FitOptions } from "./fit-options.js";
import type { Gradients } from "./gradients.js";
import type { Loss } from "./losses/loss.js";
import { type Metric, metricsOf } from "./metrics.js";
import { Model } from "./model.js";
import type { ModelPlan, PlanOptions } from "./model-plan.js";
import { type MetricValues, Recorder } from "./recorder.js";
import { Workspace } from "./workspace.js";

/** What a trainer needs of an optimizer; `RMSProp`, `SGD` and the others are. */
export interface ModelOptimizer {
  step(gradients: Readonly<Record<string, Tensor>>): void;
  dispose(): void;
  /** Updates made so far. */
  readonly iterations?: number;
  /** Ends an accumulation of gradients: updates with the mean of those that there are. */
  flush?(): void;
  /** Drops them. */
  discardGradients?(): void;
  /** These three are for the trainer's own. */
  state?(): OptimizerState;
  load?(state: OptimizerState): void;
  description?(): OptimizerDescription;
}

/** The optimizer's state, and that of the trainer's random numbers. */
export interface TrainerState extends OptimizerState {
  /** Five words in hexadecimal. */
  random: string;
}

/** Options of `Trainer`. */
export interface TrainerOptions<Optimizer extends ModelOptimizer = ModelOptimizer> {
  /** The loss; for a model of several outputs one for each, whose sum is minimized. */
  loss: Loss | readonly Loss[];
  /** Makes the optimizer of the model's parameters; the trainer disposes it. */
  optimizer: (parameters: Readonly<Record<string, Tensor>>) => Optimizer;
  /** Seed of dropout and of the order of samples in `fit`, an integer from 0 to 2³² − 1; default 0. */
  seed?: number;
}

/** Inputs and targets, row by row; arrays of them for models of several inputs or outputs. */
export interface Dataset {
  x: Rows;
  y: Rows;
}

/** The means over a data set. `accuracy` is NaN for losses of regression, where nothing is right or wrong. */
export interface Evaluation {
  readonly loss: number;
  readonly accuracy: number;
  /** Those that were asked for, by name. */
  readonly metrics?: MetricValues;
}

/** Options of `step`. */
export interface StepOptions {
  /** A factor >= 0 for the loss of each row: as many numbers as x has rows. Default: all are 1. */
  sampleWeights?: Batch;
}

/** Options of `evaluate`. */
export interface EvaluateOptions extends StepOptions {
  /** What else to compute: names, or functions. */
  metrics?: FitOptions["metrics"];
}

/** Options of `backward`. */
export interface BackwardOptions extends StepOptions {
  /** Factor of the gradients, finite; default 1. */
  scale?: number;
  /** Add to the gradients instead of overwriting them; default false. */
  accumulate?: boolean;
  /** Seed of dropout in this call, an int32; default: that of the trainer's next update. */
  seed?: number;
}

/** A batch that was checked: what {@link Trainer} computes on. */
export interface CheckedBatch {
  readonly xs: Batch[];
  readonly ys: Batch[];
  weights: Batch | undefined;
  rows: number;
  /** For each output a bit, whether its targets are class indices. */
  kind: number;
}

/** Outputs that a trainer takes: whether their targets are indices is one bit each of a plan's kind. */
const MOST_OUTPUTS = 3;
/** Kinds of plans besides: without a backward pass, and with weights of the rows. @internal */
export const EVALUATES = 8;
/** @internal */
export const WEIGHTED = 16;
const WEIGHT = { shape: [], size: 1 };
const NO_OPTIONS: BackwardOptions = {};
const STEP_KEYS = ["sampleWeights"];
const EVALUATE_KEYS = ["sampleWeights", "metrics"];
const BACKWARD_KEYS = ["sampleWeights", "scale", "accumulate", "seed"];

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
export class Trainer<Optimizer extends ModelOptimizer = ModelOptimizer> {
  readonly model: Model;
  readonly optimizer: Optimizer;
  /** One for each output. @internal */
  readonly losses: readonly Loss[];
  /** @internal */
  readonly random: Random;
  readonly #workspace: Workspace;
  readonly #targetShapes: readonly TargetShape[];
  /** The batch of the step that is being made; kept, because a step allocates nothing. */
  readonly #batch: CheckedBatch = newBatch();
  /** Dropout's seed for the next step; a step that is refused leaves it to the one after. */
  #stepSeed: number;
  /** The `fit` that is under way. */
  #fit: Fit | undefined;
  #disposed = false;

  /** @throws OptionError, DisposedError, and what the optimizer's constructor throws */
  constructor(model: Model, options: TrainerOptions<Optimizer>) {
    if (!(model instanceof Model)) throw unexpected("model", model, "a Sequential or a Model");
    model.assertLive();
    checkKeys("options", options, ["loss", "optimizer", "seed"]);
    const { optimizer, seed = 0 } = options;
    this.losses = checkLosses(options.loss, model.outputTensors.length);
    if (typeof optimizer !== "function" || optimizer.prototype?.step !== undefined) {
      throw unexpected("optimizer", optimizer, "a function such as (p) => new RMSProp(core, p)");
    }
    checkInteger("seed", seed, 0, 2 ** 32 - 1);
    this.model = model;
    this.random = new Random(seed);
    this.#stepSeed = this.random.int32();
    this.#targetShapes = model.outputTensors.map(({ shape }) => targetShapeOf(shape));
    this.#workspace = new Workspace(model, (kind) => this.#planOptions(kind));
    this.optimizer = optimizer(model.parameters);
    if (typeof this.optimizer?.step !== "function" || typeof this.optimizer.dispose !== "function") {
      throw new OptionError(`optimizer returned ${describe(this.optimizer)}, expected an optimizer`);
    }
  }

  /** The gradients of the parameters, by name, as `backward` has left them; the model's. */
  get gradients(): Gradients {
    this.#assertLive();
    return this.model.gradients;
  }

  /**
   * One step on a batch: forward, backward, update. Returns the mean loss before the update.
   *
   * Cost: about 6 flops a weight and row. Nothing is allocated after the first batch of a size, for up to 32 sizes.
   *
   * @param x a tensor [rows, ...inputShape] (used in place) or an array of as many numbers (copied)
   * @param y [rows, ...outputShape], or for `softmaxCrossEntropy` class indices [rows]
   * @throws ShapeError, OptionError, DisposedError, OutOfMemoryError, NonFiniteError; parameters and state are then unchanged
   */
  step(x: Rows, y: Rows, options: StepOptions = NO_OPTIONS): number {
    checkKeys("options", options, STEP_KEYS);
    const loss = this.#backward(x, y, options);
    this.#update();
    return loss;
  }

  /**
   * The forward and backward pass of `step` without the update: overwrites `gradients`, or adds to them. Returns the
   * mean loss. With `update` afterwards it is a step.
   *
   * Numerics: each gradient is multiplied by `scale`, then added to what was there, each operation rounded to float32.
   *
   * @throws as `step`; the gradients are then unspecified
   * @example
   * trainer.backward(xs[0], ys[0], { scale: 0.5 });
   * trainer.backward(xs[1], ys[1], { scale: 0.5, accumulate: true });
   * trainer.update();
   */
  backward(x: Rows, y: Rows, options: BackwardOptions = NO_OPTIONS): number {
    checkKeys("options", options, BACKWARD_KEYS);
    const { sampleWeights, scale = 1, accumulate = false, seed = this.#stepSeed } = options;
    checkFinite("scale", scale, Number.NEGATIVE_INFINITY);
    checkBoolean("accumulate", accumulate);
    checkInteger("seed", seed, -(2 ** 31), 2 ** 31 - 1);
    return this.#backward(x, y, { ...(sampleWeights && { sampleWeights }), scale, accumulate, seed });
  }

  /**
   * One optimizer step with `gradients`.
   *
   * @throws what the optimizer throws; the parameters are then unchanged
   */
  update(): void {
    this.#assertIdle("update");
    this.#update();
  }

  /**
   * Mean loss and share of right answers over a data set, without dropout; changes nothing.
   *
   * A right answer is a row whose largest output is the target's (`softmaxCrossEntropy`), or an output on the target's
   * side of one half (`binaryCrossEntropy`). For models of several outputs it is that of the first.
   *
   * @throws ShapeError, OptionError, DisposedError, OutOfMemoryError
   */
  evaluate(x: Rows, y: Rows, options: EvaluateOptions = NO_OPTIONS): Evaluation {
    this.#assertLive();
    checkKeys("options", options, EVALUATE_KEYS);
    const { metrics = [] } = options;
    const batch = newBatch();
    this.#readBatch("", x, y, options.sampleWeights, batch);
    return this.#evaluate(batch, metricsOf(metrics));
  }

  /** Evaluates data that was checked before; its tensors may have been disposed of since. @internal */
  evaluateChecked(batch: CheckedBatch, metrics: readonly Metric<number | number[][]>[]): Evaluation {
    for (const part of [...batch.xs, ...batch.ys, batch.weights])
      if (part instanceof Tensor) part.assertLive("validation");
    return this.#evaluate(batch, metrics);
  }

  #evaluate(batch: CheckedBatch, metrics: readonly Metric<number | number[][]>[]): Evaluation {
    const { xs, ys, weights, rows, kind } = batch;
    const { model } = this;
    const { answers } = this.losses[0]!;
    const kernels = model.core.kernels(nnFamily);
    const columns = answers === "rows" ? model.outputShape.at(-1)! : 1;
    const answersInRow = answers === "none" ? 0 : model.outputs / columns;
    const recorder = metrics.length === 0 ? undefined : new Recorder(this, rows, kind);
    let lossSum = 0;
    let correct = 0;
    for (let first = 0; first < rows; first += model.chunkRows) {
      const count = Math.min(model.chunkRows, rows - first);
      const found = this.#workspace.planFor(count, kind | EVALUATES);
      const { plan, inputs, targets, outputs } = found;
      for (const [i, input] of inputs.entries()) {
        plan.set(input, this.#workspace.inputAddress(i, xs[i]!, first, count));
      }
      for (const [i, target] of targets.entries()) {
        const width = this.targetRow(i, kind).size;
        plan.set(target, this.#workspace.targetAddress(i, ys[i]!, first, count, width));
      }
      if (weights !== undefined) plan.set(found.weights, this.#workspace.weightsAddress(weights, first, count));
      plan.forward();
      lossSum += count * plan.loss();
      recorder?.record(found);
      if (answersInRow === 0) continue;
      const y = plan.addressOf(outputs[0]!);
      const t = targets[0]!.value;
      correct += kernels.count_correct_f32(count * answersInRow, columns, y, t, kind & 1, 0);
    }
    const evaluation = { loss: lossSum / rows, accuracy: correct / (rows * answersInRow) };
    return recorder === undefined ? evaluation : { ...evaluation, metrics: recorder.compute(metrics) };
  }

  /**
   * Trains for some epochs. What it returns is a promise of the history, an array of what each epoch reported, and can
   * be iterated instead, an epoch at a time. Between batches others get to run, so a page stays responsive.
   *
   * @throws ShapeError, OptionError by rejection, before the first batch; the reason of `signal` when it aborts
   * @example
   * const history = await trainer.fit({ x, y }, { epochs: 5, batchSize: 64 });
   * for await (const { epoch, loss } of trainer.fit({ x, y }, { epochs: 5 })) console.log(epoch, loss);
   */
  fit(data: Dataset, options: FitOptions = {}): Fit {
    return new Fit(this, data, options);
  }

  /**
   * Everything training remembers beside the parameters: the optimizer's state, and the position of the random numbers
   * that dropout and `fit` draw. With it a checkpoint resumes with the same bits, between two steps or two calls of `fit`.
   *
   * @throws OptionError if the optimizer has no `state`, DisposedError
   * @example
   * const bytes = saveCheckpoint({ parameters: model.parameters, optimizer: trainer });
   */
  state(): TrainerState {
    this.#assertLive();
    const words = [...this.random.position, this.#stepSeed >>> 0];
    const random = words.map((word) => word.toString(16).padStart(8, "0")).join("");
    return { ...this.#stateful().state(), random };
  }

  /**
   * Continues from the state of a trainer of the same model and options.
   *
   * @throws CheckpointError if it is none, OptionError, DisposedError; nothing has then changed
   */
  load(state: TrainerState): void {
    this.#assertIdle("load");
    const { random, ...rest } = (state ?? {}) as TrainerState;
    if (typeof random !== "string" || !/^[0-9a-f]{40}$/.test(random)) {
      throw new CheckpointError(`state.random is ${describe(random)}, expected 40 hexadecimal digits`);
    }
    this.#stateful().load(rest);
    const words = Array.from({ length: 5 }, (_, i) => Number.parseInt(random.slice(8 * i, 8 * i + 8), 16));
    this.random.position = words.slice(0, 4);
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
    if (optimizer.state && optimizer.load) return optimizer as unknown as Required<ModelOptimizer>;
    throw new OptionError("optimizer has no state() and load(), expected one of Lanewise's");
  }

  /** Frees the buffers and the optimizer's state, not the model; a second call does nothing. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.optimizer.dispose();
    this.#workspace.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Checks a data set; `name` is what messages call it. @internal */
  checkData(name: string, data: Dataset, sampleWeights?: Batch): CheckedBatch {
    checkKeys(name, data, ["x", "y"]);
    const batch = newBatch();
    this.#readBatch(`${name}.`, data.x, data.y, sampleWeights, batch);
    const { core, inputTensors } = this.model;
    const xs = batch.xs.map((x, i) => withoutView(core, x, inputTensors[i]!));
    const ys = batch.ys.map((y, i) => withoutView(core, y, this.targetRow(i, batch.kind)));
    const weights = batch.weights && withoutView(core, batch.weights, WEIGHT);
    return { ...batch, xs, ys, weights };
  }

  /** Checks inputs and targets, and notes them in `into`. */
  #readBatch(prefix: string, x: Dataset["x"], y: Dataset["y"], weights: Batch | undefined, into: CheckedBatch): void {
    const { model, losses } = this;
    into.rows = model.readInputs(prefix === "" ? "x" : `${prefix}x`, x, into.xs);
    into.kind = 0;
    const isSingle = losses.length === 1;
    if (!isSingle && (!Array.isArray(y) || y.length !== losses.length)) {
      throw unexpected(`${prefix}y`, y, `an array of ${losses.length} batches`);
    }
    for (let i = 0; i < losses.length; i++) {
      const name = isSingle ? (prefix === "" ? "y" : `${prefix}y`) : `${prefix}y[${i}]`;
      const { values, indices } = this.#targetShapes[i]!;
      const given = isSingle ? y : (y as readonly Rows[])[i]!;
      const targets = flatRows(name, given, values.shape, indices.shape);
      into.ys[i] = targets;
      if (readTargets(name, targets, model.core, into.rows, this.#targetShapes[i]!, losses[i]!)) into.kind |= 1 << i;
    }
    into.weights = weights;
    if (weights === undefined) return;
    checkWeights(weights, model.core, into.rows);
    into.kind |= WEIGHTED;
  }

  /** A row of targets. @internal */
  targetRow(output: number, kind: number): RowShape {
    const { values, indices } = this.#targetShapes[output]!;
    return kind & (1 << output) ? indices : values;
  }

  /** The plan of a training step for this number of rows, and where its batch goes. @internal */
  planFor(rows: number, kind: number): { found: ModelPlan; workspace: Workspace } {
    return { found: this.#workspace.planFor(rows, kind), workspace: this.#workspace };
  }

  /** A step on what `planFor` returned, after its batch was written. @internal */
  stepOn(found: ModelPlan, recorder: Pick<Recorder, "record"> | undefined): number {
    const loss = this.#run(found, NO_OPTIONS, recorder);
    this.#update();
    return loss;
  }

  /** Applies gradients that are accumulated and wait for others. @internal */
  flush(): void {
    this.optimizer.flush?.();
  }

  /** Drops gradients that are accumulated, unless there is nothing any more. @internal */
  discard(): void {
    try {
      this.optimizer.discardGradients?.();
    } catch (error) {
      if (!(error instanceof DisposedError)) throw error;
    }
  }

  /** The same batch with these weights of its rows. @internal */
  weighted(batch: CheckedBatch, weights: Batch): CheckedBatch {
    return { ...batch, weights, kind: batch.kind | WEIGHTED };
  }

  /** Begins a `fit`, or throws if there is one already. @internal */
  begin(fit: Fit): void {
    this.#assertIdle("fit");
    this.#fit = fit;
  }

  /** @internal */
  end(fit: Fit): void {
    if (this.#fit === fit) this.#fit = undefined;
  }

  /** @internal */
  assertLive(): void {
    this.#assertLive();
  }

  #backward(x: Dataset["x"], y: Dataset["y"], options: BackwardOptions): number {
    this.#assertIdle("step");
    const batch = this.#batch;
    this.#readBatch("", x, y, options.sampleWeights, batch);
    const { xs, ys, weights, rows, kind } = batch;
    if (rows === 0) throw new ShapeError("x has no rows, expected at least one");
    const workspace = this.#workspace;
    const found = workspace.planFor(rows, kind);
    const { plan, inputs, targets } = found;
    for (let i = 0; i < inputs.length; i++) plan.set(inputs[i]!, workspace.inputAddress(i, xs[i]!, 0, rows));
    for (let i = 0; i < targets.length; i++) {
      plan.set(targets[i]!, workspace.targetAddress(i, ys[i]!, 0, rows, this.targetRow(i, kind).size));
    }
    if (weights !== undefined) plan.set(found.weights, workspace.weightsAddress(weights, 0, rows));
    return this.#run(found, options);
  }

  #run(found: ModelPlan, options: BackwardOptions, recorder?: Pick<Recorder, "record">): number {
    const { plan } = found;
    const { scale = 1, accumulate = false, seed = this.#stepSeed } = options;
    plan.setSeed(seed);
    plan.forward();
    const loss = plan.loss();
    recorder?.record(found);
    if (scale === 1 && !accumulate) plan.backward();
    else this.model.gradientBlock.collect(accumulate, scale, () => plan.backward());
    return loss;
  }

  #update(): void {
    this.optimizer.step(this.model.gradients);
    this.#stepSeed = this.random.int32();
  }

  #planOptions(kind: number): PlanOptions {
    const training = (kind & EVALUATES) === 0;
    const areIndices = this.losses.map((_, i) => (kind & (1 << i)) !== 0);
    const weighted = (kind & WEIGHTED) !== 0;
    return { training, gradients: training, losses: this.losses, areIndices, weighted };
  }

  #assertLive(): void {
    if (this.#disposed) throw new DisposedError("trainer was used after dispose()");
    this.model.assertLive();
  }

  /** Two things that change the parameters by turns would make the bits depend on the clock. */
  #assertIdle(what: string): void {
    this.#assertLive();
    if (this.#fit === undefined) return;
    throw new OptionError(`${what} was called while a fit of this trainer is under way, expected it to end first`);
  }
}

function newBatch(): CheckedBatch {
  return { xs: [], ys: [], weights: undefined, rows: 0, kind: 0 };
}

function checkWeights(weights: Batch, core: Core, rows: number): void {
  const count = readRows("sampleWeights", weights, core, WEIGHT);
  if (count !== rows) throw new ShapeError(`sampleWeights has ${count} elements, expected ${rows} as x has rows`);
  const values = weights instanceof Tensor ? weights.data : weights;
  for (let i = 0; i < rows; i++) {
    if (!(values[i]! >= 0 && values[i]! < Number.POSITIVE_INFINITY)) {
      throw unexpected(`sampleWeights[${i}]`, values[i], "a finite number >= 0");
    }
  }
}

function checkLosses(loss: unknown, outputs: number): readonly Loss[] {
  const losses: unknown[] = Array.isArray(loss) ? loss : [loss];
  for (const [i, each] of losses.entries()) {
    if (typeof (each as Loss | undefined)?.plan !== "function") {
      throw unexpected(Array.isArray(loss) ? `loss[${i}]` : "loss", each, "a loss such as softmaxCrossEntropy()");
    }
  }
  if (losses.length !== outputs)
    throw new OptionError(`loss has ${losses.length} entries, expected ${outputs}: one for each output`);
  if (outputs > MOST_OUTPUTS)
    throw new OptionError(`model has ${outputs} outputs, expected at most ${MOST_OUTPUTS} to train`);
  return Object.freeze(losses as Loss[]);
}

import { type Tensor as TfTensor, tensor, type Variable } from "@tensorflow/tfjs-core";
import { OptionError } from "../../errors.js";
import type { Model } from "../../nn/model.js";
import type { ModelPlan } from "../../nn/model-plan.js";
import { EVALUATES, type ModelOptimizer, Trainer, WEIGHTED } from "../../nn/trainer.js";
import type { Tensor } from "../../tensor.js";
import { currentBridge, type MemoryBridge } from "../memory-bridge.js";
import { attempt, buildModel, convertGraph, type Reasons } from "./convert.js";
import { activationOf, type ConvertedLoss, convertLoss } from "./losses.js";
import { convertMetrics, type MetricOf } from "./metrics.js";
import { linkOptimizer, type OptimizerLink } from "./optimizers.js";
import { type TfModel, Unsupported } from "./tfjs-model.js";

/** Numbers of a call, row after row. */
export interface Data {
  readonly rows: number;
  readonly inputs: readonly Float32Array[];
  readonly targets: Float32Array;
  readonly weights: Float32Array | undefined;
}

/** A compiled model of TensorFlow.js as one of Lanewise's over the same weights. */
export class Session {
  readonly bridge: MemoryBridge;
  readonly #bound: readonly { readonly tensor: Tensor; readonly variable: Variable; readonly isTrained: boolean }[];
  readonly #model: Model;
  readonly #trainer: Trainer;
  readonly #loss: ConvertedLoss;
  readonly #metrics: readonly MetricOf[];
  readonly #link: OptimizerLink;
  readonly #last: string | undefined;
  /** What it was compiled to train. TensorFlow.js passes over what was frozen since. */
  readonly #trained: readonly Variable[];
  /** What each variable's elements are known to be in its tensor, where they are copied. */
  readonly #seen = new Map<Variable, object>();
  /** What the model was compiled with. */
  readonly #compiled: readonly unknown[];

  private constructor(tf: TfModel, model: Model, bindings: ReturnType<typeof buildModel>["bindings"]) {
    const bridge = currentBridge();
    this.bridge = bridge;
    this.#model = model;
    this.#compiled = compiledWith(tf);
    const output = model.outputTensors[0]!;
    this.#loss = convertLoss(tf, output);
    const { absorbs } = this.#loss.loss;
    if (absorbs !== undefined && model.nodes.some(({ tensor, isRead }) => tensor === output && isRead)) {
      throw new Unsupported("an output that another layer reads");
    }
    this.#last = absorbs === activationOf(output) ? absorbs : undefined;
    this.#metrics = convertMetrics(tf, this.#loss);
    const trained = tf.collectedTrainableWeights.map((weight) => weight.read());
    this.#trained = trained;
    const tensors = { ...model.parameters, ...model.buffers };
    this.#bound = bindings.map(({ name, weight }) => {
      const variable = weight.read();
      const isParameter = model.parameters[name] !== undefined;
      return { tensor: tensors[name]!, variable, isTrained: !isParameter || trained.includes(variable) };
    });
    for (const { tensor } of this.#bound) bridge.adopt(tensor);
    try {
      this.attach();
      const parameters = bindings.filter(({ name }) => model.parameters[name] !== undefined);
      const named = new Map(parameters.map(({ name, weight }) => [weight.read(), name]));
      const unknown = trained.find((variable) => !named.has(variable));
      if (unknown !== undefined) throw new Unsupported(`training of ${unknown.name}`);
      const pick = (all: Readonly<Record<string, Tensor>>, variables: readonly Variable[]) =>
        Object.fromEntries(variables.map((variable) => [variable.name, all[named.get(variable)!]!]));
      const link = linkOptimizer(tf.optimizer!, bridge.core, trained, pick(model.parameters, trained));
      this.#link = link;
      const optimizer = () => new Chosen(link, trained, pick);
      const seed = Math.floor(Math.random() * 2 ** 32);
      this.#trainer = new Trainer(model, { loss: this.#loss.loss, optimizer, seed });
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /** Converts a model; what cannot be is named in `reasons`. */
  static open(tf: TfModel, reasons: Reasons): Session | undefined {
    if (tf.optimizer === undefined || tf.lossFunctions === undefined) {
      reasons.compile = "the model is not compiled";
      return undefined;
    }
    const graph = convertGraph(tf, reasons);
    if (graph.outputs.length > 1)
      reasons.outputs = "Lanewise lacks losses of several outputs with TensorFlow.js's logs";
    if (Object.keys(reasons).length > 0) return undefined;
    return attempt("model", reasons, () => {
      const { model, bindings } = buildModel(currentBridge().core, graph);
      try {
        return new Session(tf, model, bindings);
      } catch (error) {
        model.dispose();
        throw error;
      }
    });
  }

  /** Whether the model is compiled as it was, and on the same backend. */
  fits(tf: TfModel): boolean {
    const now = compiledWith(tf);
    return currentBridge() === this.bridge && now.every((value, i) => value === this.#compiled[i]);
  }

  /** Whether there is anything to train: what to say otherwise TensorFlow.js knows. */
  get trains(): boolean {
    return this.#trained.some(({ trainable }) => trainable);
  }

  /** Whether the loss can be computed of these data as TensorFlow.js would. */
  accepts({ targets, weights, rows, inputs }: Data): boolean {
    const { areIndices, accepts, loss } = this.#loss;
    const output = this.#model.outputTensors[0]!;
    const columns = output.shape.at(-1) ?? 1;
    if (targets.length !== (rows * output.size) / (areIndices ? columns : 1)) return false;
    if (weights !== undefined && (weights.length !== rows || output.shape.length > 1)) return false;
    if (inputs.some((x, i) => x.length !== rows * this.#model.inputTensors[i]!.size)) return false;
    if (areIndices) return targets.every((index) => Number.isInteger(index) && index >= 0 && index < columns);
    if (loss.checkTargets !== undefined && !passes(() => loss.checkTargets!("y", targets, columns))) return false;
    return accepts?.(targets) ?? true;
  }

  /** Throws OptionError for inputs that a layer cannot read, such as ids that there are not. */
  checkInputs(inputs: readonly Float32Array[]): void {
    this.#model.readInputs("x", inputs.length === 1 ? inputs[0]! : inputs, []);
  }

  /** Takes the weights as they are now. */
  attach(): void {
    for (const { tensor, variable } of this.#bound) {
      if (!this.bridge.inPlace && this.#seen.get(variable) === variable.dataId) continue;
      this.bridge.readVariable(variable, tensor);
      this.#seen.set(variable, variable.dataId);
    }
  }

  /** The same, with the optimizer's state. */
  begin(): void {
    this.attach();
    this.#link.pull();
  }

  /** The same in the middle of training, where the optimizer's state is its own. */
  goOn(): void {
    this.attach();
    this.#link.pullRate();
  }

  /** Gives the model the weights. */
  publish(): void {
    for (const { tensor, variable, isTrained } of this.#bound) {
      if (!isTrained) continue;
      this.bridge.writeVariable(variable, tensor);
      this.#seen.set(variable, variable.dataId);
    }
  }

  /** The same, and its optimizer the state. */
  publishAll(): void {
    this.publish();
    this.#link.push();
  }

  /** Trains with some of the rows, those that `order` names; returns the loss and the metrics before the update. */
  step(data: Data, order: Uint32Array | undefined, first: number, count: number): number[] {
    const found = this.#load(data, order, first, count, 0);
    const results = [0];
    results[0] = this.#trainer.stepOn(found, { record: () => this.#measure(found, count, results) });
    return results;
  }

  /** The loss and the metrics of some of the rows. */
  test(data: Data, first: number, count: number): number[] {
    const found = this.#load({ ...data, weights: undefined }, undefined, first, count, EVALUATES);
    found.plan.forward();
    const results = [found.plan.loss()];
    this.#measure(found, count, results);
    return results;
  }

  predict(inputs: readonly Float32Array[], rows: number): TfTensor {
    const model = this.#model;
    const y = model.predict(inputs.length === 1 ? inputs[0]! : inputs);
    const values = y.data.slice();
    y.dispose();
    return tensor(values, [rows, ...model.outputShape], "float32");
  }

  dispose(): void {
    this.#trainer.dispose();
    this.#release();
  }

  #release(): void {
    for (const { tensor } of this.#bound) this.bridge.close(tensor);
    this.#model.dispose();
  }

  /** Copies rows to where a plan reads them. */
  #load(data: Data, order: Uint32Array | undefined, first: number, count: number, kind: number): ModelPlan {
    const { inputs, targets, weights, rows } = data;
    const bits = kind | +this.#loss.areIndices | (weights === undefined ? 0 : WEIGHTED);
    const { found, workspace } = this.#trainer.planFor(count, bits);
    const { plan } = found;
    for (let i = 0; i < inputs.length; i++) {
      plan.set(found.inputs[i]!, gather(workspace.input(i), inputs[i]!, rows, order, first, count));
    }
    plan.set(found.targets[0]!, gather(workspace.target(0), targets, rows, order, first, count));
    if (weights !== undefined) plan.set(found.weights, gather(workspace.weights, weights, rows, order, first, count));
    return found;
  }

  /** Appends the metrics of a batch after its forward pass. */
  #measure(found: ModelPlan, rows: number, results: number[]): void {
    if (this.#metrics.length === 0) return;
    const { shape, size } = this.#model.outputTensors[0]!;
    const { buffer } = this.bridge.core.linearMemory;
    const targetShape = this.#loss.areIndices ? [...shape.slice(0, -1), 1] : shape;
    const width = this.#loss.areIndices ? size / shape.at(-1)! : size;
    const outcome = {
      rows,
      shape,
      outputs: new Float32Array(buffer, found.plan.addressOf(found.outputs[0]!), rows * size),
      last: this.#last,
      targets: new Float32Array(buffer, found.targets[0]!.value, rows * width),
      targetShape,
    };
    for (const metric of this.#metrics) results.push(metric(outcome));
  }
}

type Pick = (all: Readonly<Record<string, Tensor>>, variables: readonly Variable[]) => Record<string, Tensor>;

/** The optimizer of the parameters that are trained. */
class Chosen implements ModelOptimizer {
  readonly #link: OptimizerLink;
  readonly #trained: readonly Variable[];
  readonly #pick: Pick;
  #all: object | undefined;
  #picked: Record<string, Tensor> = {};
  /** Whether each variable was trainable when they were picked. */
  #flags: readonly boolean[] = [];

  constructor(link: OptimizerLink, trained: readonly Variable[], pick: Pick) {
    this.#link = link;
    this.#trained = trained;
    this.#pick = pick;
  }

  step(gradients: Readonly<Record<string, Tensor>>): void {
    const trained = this.#trained;
    let isSame = gradients === this.#all;
    for (let i = 0; i < trained.length; i++) if (trained[i]!.trainable !== this.#flags[i]) isSame = false;
    if (!isSame) {
      this.#all = gradients;
      this.#flags = trained.map(({ trainable }) => trainable);
      this.#picked = this.#pick(
        gradients,
        trained.filter(({ trainable }) => trainable),
      );
    }
    this.#link.inner.step(this.#picked);
  }

  dispose(): void {
    this.#link.inner.dispose();
  }
}

/** Copies rows to the start of `into`; returns their address. */
function gather(
  into: Tensor,
  from: Float32Array,
  rows: number,
  order: Uint32Array | undefined,
  first: number,
  count: number,
): number {
  const width = from.length / rows;
  const to = into.data;
  if (order === undefined) to.set(from.subarray(first * width, (first + count) * width));
  else if (width > 32) {
    for (let i = 0; i < count; i++) {
      const start = order[first + i]! * width;
      to.set(from.subarray(start, start + width), i * width);
    }
  } else {
    let at = 0;
    for (let i = 0; i < count; i++) {
      const start = order[first + i]! * width;
      for (let j = 0; j < width; j++) to[at++] = from[start + j]!;
    }
  }
  return into.ptr;
}

function compiledWith(tf: TfModel): unknown[] {
  return [tf.loss, tf.lossFunctions, tf.optimizer, tf.metrics, tf.metricsTensors, tf.collectedTrainableWeights];
}

function passes(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof OptionError) return false;
    throw error;
  }
}

/** Numbers as the scalars that TensorFlow.js's functions return. */
export function scalars(values: readonly number[]): TfTensor[] {
  return values.map((value) => tensor(Float32Array.of(value), [], "float32"));
}

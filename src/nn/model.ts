import { ACTIVATION } from "../backend/backend.js";
import { nnFamily } from "../backend/families/nn.js";
import { checkBoolean, checkInteger, checkKeys, unexpected } from "../checks.js";
import { Core } from "../core.js";
import { DisposedError, OptionError, ShapeError } from "../errors.js";
import { Random } from "../random.js";
import { type Shape, Tensor } from "../tensor.js";
import { type Batch, flatRows, type Rows, readRows } from "./data.js";
import { GradientBlock, type Gradients } from "./gradients.js";
import type { Layer, ParameterSpec } from "./layer.js";
import type { ModelPlan, PlanOptions } from "./model-plan.js";
import type { PlanContext } from "./plan-builder.js";
import { SymbolicTensor } from "./symbolic.js";
import { Workspace } from "./workspace.js";

/** Options of `Model`. */
export interface ModelOptions {
  /** What `input()` returned; an array if there are several. */
  inputs: SymbolicTensor | readonly SymbolicTensor[];
  /** What the layers return for them; an array if there are several. */
  outputs: SymbolicTensor | readonly SymbolicTensor[];
  /** Seed of the initial parameters, an integer from 0 to 2³² − 1; default 0. The same seed gives the same bits in every engine. */
  seed?: number;
}

/** A layer at work in a model. @internal */
export interface ModelNode {
  readonly tensor: SymbolicTensor;
  /** What the layer's parameters are named after. */
  readonly name: string;
  readonly hasParameters: boolean;
  /** Whether another layer reads its output. */
  readonly isRead: boolean;
}

/** Rows that prediction computes at a time, unless states are carried over from batch to batch. */
const CHUNK_ROWS = 256;

// Kinds of plans of a model's own workspace.
const PREDICT = 0;
const FORWARD = 1;
const FORWARD_TRAINING = 2;
const PLANS: readonly PlanOptions[] = [
  { training: false, gradients: false },
  { training: false, gradients: true, inputGradients: true },
  { training: true, gradients: true, inputGradients: true },
];

/**
 * A graph of layers with its parameters. Each layer's parameters are named after it: `"0.weight"`, `"encoder.bias"`.
 * A layer without a name has its number, counted in topological order.
 *
 * @example
 * const x = input([8]);
 * const h = dense(8, { activation: "relu" }).apply(x);
 * const model = new Model(core, { inputs: x, outputs: dense(1).apply(add().apply([x, h])), seed: 1 });
 */
export class Model {
  readonly core: Core;
  /** Every layer once, in topological order. */
  readonly layers: readonly Layer[];
  /** Trained tensors, by name. */
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** State that is not trained, by name. */
  readonly buffers: Readonly<Record<string, Tensor>>;
  /** @internal */
  readonly inputTensors: readonly SymbolicTensor[];
  /** @internal */
  readonly outputTensors: readonly SymbolicTensor[];
  /** @internal */
  readonly nodes: readonly ModelNode[];
  /** What plans are made with. @internal */
  readonly context: PlanContext;
  /** Rows that prediction and evaluation compute at a time. @internal */
  readonly chunkRows: number;
  readonly #carried = new Map<string, Tensor>();
  /** Layers that check what they read of an input, by the input's number. */
  readonly #checked: readonly { input: number; layer: Layer }[];
  #gradients: GradientBlock | undefined;
  #workspace: Workspace | undefined;
  /** The plan of the last `forward`. */
  #last: ModelPlan | undefined;
  #disposed = false;

  /**
   * @throws OptionError, ShapeError, OutOfMemoryError, DisposedError; nothing is then allocated
   */
  constructor(core: Core, options: ModelOptions) {
    if (!(core instanceof Core)) throw unexpected("core", core, "a Core");
    core.assertLive();
    checkKeys("options", options, ["inputs", "outputs", "seed"]);
    const { seed = 0 } = options;
    checkInteger("seed", seed, 0, 2 ** 32 - 1);
    this.core = core;
    this.inputTensors = checkTensors("inputs", options.inputs);
    this.outputTensors = checkTensors("outputs", options.outputs);
    const tensors = sortTensors(this.inputTensors, this.outputTensors);
    const names = this.layerNames(tensors.map(({ layer }) => layer!));
    checkNames(names);
    this.layers = Object.freeze([...names.keys()]);
    this.chunkRows = this.layers.some((layer) => layer.carriesState) ? Number.POSITIVE_INFINITY : CHUNK_ROWS;
    const parameters: Record<string, Tensor> = {};
    const buffers: Record<string, Tensor> = {};
    const read = new Set(tensors.flatMap(({ inputs }) => inputs));
    const random = new Random(seed);
    const done = new Set<Layer>();
    const nodes: ModelNode[] = [];
    try {
      for (const tensor of tensors) {
        const layer = tensor.layer!;
        const name = names.get(layer)!;
        const shapes = tensor.inputs.map(({ shape }) => shape);
        const specs = layer.parameters(...shapes);
        if (layer.activation !== undefined && layer.activation.parameters(tensor.shape).length > 0) {
          const { kind } = layer.activation;
          throw new OptionError(
            `${kind} has parameters, expected it as a layer of its own instead of an activation option`,
          );
        }
        nodes.push({ tensor, name, hasParameters: specs.length > 0, isRead: read.has(tensor) });
        if (done.has(layer)) {
          for (const spec of specs) checkShared(`${name}.${spec.name}`, parameters, spec.shape);
          continue;
        }
        done.add(layer);
        for (const spec of specs) {
          const start = this.startOf(spec, random);
          const parameter = `${name}.${spec.name}`;
          try {
            parameters[parameter] = core.reserve(spec.shape, start);
          } catch (error) {
            if (!(error instanceof OptionError)) throw error;
            throw new OptionError(`initializer of ${parameter}: ${error.message}`);
          }
        }
        for (const { name: buffer, shape, value } of layer.buffers(...shapes)) {
          buffers[`${name}.${buffer}`] = core.reserve(shape, value === 0 ? undefined : () => value);
        }
      }
    } catch (error) {
      for (const tensor of [...Object.values(parameters), ...Object.values(buffers)]) tensor.dispose();
      throw error;
    }
    this.nodes = nodes;
    this.#checked = tensors.flatMap(({ layer, inputs }) => {
      if (layer!.checkInput === undefined) return [];
      const numbers = inputs.map((tensor) => this.inputTensors.indexOf(tensor)).filter((input) => input >= 0);
      return numbers.map((input) => ({ input, layer: layer! }));
    });
    this.parameters = Object.freeze(parameters);
    this.buffers = Object.freeze(buffers);
    this.context = {
      core,
      tensor: (name) => parameters[name] ?? buffers[name]!,
      gradient: (name) => this.gradients[name]!,
      carried: (name, rows, size) => this.#carriedFor(`${name} for ${rows} rows`, size),
    };
  }

  /** The name of each layer: the one it was given, or its number. @internal */
  protected layerNames(layers: readonly Layer[]): Map<Layer, string> {
    return new Map([...new Set(layers)].map((layer, i) => [layer, layer.name ?? String(i)]));
  }

  /** The start values of a parameter; undefined for zeros. @internal */
  protected startOf(spec: ParameterSpec, random: Random): ((index: number) => number) | undefined {
    return spec.start?.(random);
  }

  /** Shape of a row of x, without the batch; of the first input if there are several. */
  get inputShape(): Shape {
    return this.inputTensors[0]!.shape;
  }

  /** Shape of a row of y, without the batch; of the first output if there are several. */
  get outputShape(): Shape {
    return this.outputTensors[0]!.shape;
  }

  /** Elements of a row of x. */
  get inputs(): number {
    return this.inputTensors[0]!.size;
  }

  /** Elements of a row of y. */
  get outputs(): number {
    return this.outputTensors[0]!.size;
  }

  /**
   * The gradients of the parameters, by name, as `backward` has left them: views of one block of memory, which is
   * `gradients.block`. They are made when first asked for, with zeros.
   */
  get gradients(): Gradients {
    return this.gradientBlock.views;
  }

  /** @internal */
  get gradientBlock(): GradientBlock {
    this.assertLive();
    this.#gradients ??= new GradientBlock(this.core, this.parameters);
    return this.#gradients;
  }

  /**
   * The outputs for each row of `x`, as a new tensor [rows, ...outputShape]. Dropout is not applied.
   *
   * A row's result does not depend on the rows beside it, down to the bits.
   *
   * @param x a tensor [rows, ...inputShape], or an array of as many numbers, row after row, or of rows, `[[1, 2], [3, 4]]`;
   *   for a model of several inputs an array of them
   * @param options `out`: the tensor to write to, of that shape, instead of a new one
   * @throws ShapeError, OptionError, DisposedError, OutOfMemoryError
   */
  predict(x: Rows, options: { out?: Tensor } = {}): Tensor {
    checkKeys("options", options, ["out"]);
    if (this.outputTensors.length > 1) throw new OptionError("model has several outputs, expected one: use forward()");
    const xs: Batch[] = [];
    const rows = this.readInputs("x", x, xs);
    const shape = [rows, ...this.outputShape];
    const { out } = options;
    if (out !== undefined) {
      if (!(out instanceof Tensor)) throw unexpected("out", out, "a Tensor");
      out.assertLive("out");
      if (out.core !== this.core) throw new OptionError("out belongs to another core than the model");
      if (String(out.shape) !== String(shape))
        throw new ShapeError(`out has shape [${out.shape}], expected [${shape}]`);
    }
    const y = out ?? this.core.tensor(shape);
    this.#last = undefined; // its values are overwritten
    try {
      const workspace = this.#workspaceOf();
      for (let first = 0; first < rows; first += this.chunkRows) {
        const count = Math.min(this.chunkRows, rows - first);
        const { plan, inputs, outputs } = workspace.planFor(count, PREDICT);
        for (const [i, input] of inputs.entries()) plan.set(input, workspace.inputAddress(i, xs[i]!, first, count));
        plan.forward();
        const size = count * this.outputs;
        const values = new Float32Array(this.core.linearMemory.buffer, plan.addressOf(outputs[0]!), size);
        y.data.set(values, first * this.outputs);
      }
    } catch (error) {
      if (out === undefined) y.dispose();
      throw error;
    }
    return y;
  }

  /**
   * The probability of each class for each row of `x`: softmax over the last axis for several outputs, sigmoid for one,
   * unless the model ends in one of the two.
   *
   * @param x as for `predict`
   * @returns a copy, [rows, outputs] for several outputs, [rows] for one
   * @throws as `predict`
   */
  predictProbabilities(x: Rows): Float32Array {
    const y = this.predict(x);
    const columns = this.outputShape.at(-1) ?? 1;
    const last = this.outputTensors[0]!.layer!;
    const name = (last.activation ?? last).activationName;
    if (name !== "softmax" && name !== "sigmoid") {
      const kernels = this.core.kernels(nnFamily);
      if (columns === 1) kernels.activation_f32(ACTIVATION.sigmoid, y.size, y.ptr, y.ptr);
      else kernels.softmax_f32(y.size / columns, columns, y.ptr, y.ptr);
    }
    const values = y.data.slice();
    y.dispose();
    return values;
  }

  /**
   * The class of each row of `x`: the index of the largest output, the first of equal ones; for one output 1 where its
   * probability is above ½, else 0.
   *
   * @param x as for `predict`
   * @throws as `predict`
   */
  predictClasses(x: Rows): Int32Array {
    const values = this.predictProbabilities(x);
    const columns = this.outputShape.at(-1) ?? 1;
    return Int32Array.from({ length: values.length / columns }, (_, row) => {
      if (columns === 1) return +(values[row]! > 0.5);
      let best = 0;
      for (let j = 1; j < columns; j++) if (values[row * columns + j]! > values[row * columns + best]!) best = j;
      return best;
    });
  }

  /** A table of the layers, the shapes of their outputs and the numbers of their parameters, as text. */
  summary(): string {
    const sizes = (tensors: readonly Tensor[]) => tensors.reduce((sum, { size }) => sum + size, 0);
    const seen = new Set<string>();
    const lines = this.nodes.map(({ tensor, name }) => {
      const own = Object.entries(this.parameters).flatMap(([key, parameter]) => {
        return key.startsWith(`${name}.`) && !seen.has(key) ? [[key, parameter] as const] : [];
      });
      for (const [key] of own) seen.add(key);
      const { kind } = tensor.layer!;
      const count = sizes(own.map(([, parameter]) => parameter));
      return [`${name} (${kind})`, `[${["rows", ...tensor.shape].join(", ")}]`, count.toLocaleString("en-US")];
    });
    const all = [["layer", "output", "parameters"], ...lines];
    const widths = [0, 1, 2].map((column) => Math.max(...all.map((line) => line[column]!.length)));
    const text = all.map(
      ([a, b, c]) => `${a!.padEnd(widths[0]!)}  ${b!.padEnd(widths[1]!)}  ${c!.padStart(widths[2]!)}`,
    );
    const total = sizes(Object.values(this.parameters)).toLocaleString("en-US");
    const buffers = sizes(Object.values(this.buffers));
    const rest = buffers === 0 ? "" : `, and ${buffers.toLocaleString("en-US")} numbers in buffers`;
    return [...text, `${total} parameters${rest}`].join("\n");
  }

  /**
   * Computes the outputs of a batch and keeps what `backward` needs.
   *
   * @param x as for `predict`
   * @param options `training`: apply dropout and the batch's own statistics, default false; `seed` of dropout, an int32
   * @returns the output [rows, ...outputShape], or an array of them. It is the model's: valid until its next `forward`,
   *   `predict` or `dispose`
   * @throws ShapeError, OptionError, DisposedError, OutOfMemoryError
   * @example
   * const y = model.forward(x, { training: true });
   * const dx = model.backward(dy);
   * optimizer.step(model.gradients);
   * @example
   * const [kind, size] = twoOutputs.forward<Tensor[]>(x); // the type, in TypeScript
   */
  forward<Result extends Tensor | Tensor[] = Tensor>(
    x: Rows,
    options: { training?: boolean; seed?: number } = {},
  ): Result {
    checkKeys("options", options, ["training", "seed"]);
    const { training = false, seed = 0 } = options;
    checkBoolean("training", training);
    checkInteger("seed", seed, -(2 ** 31), 2 ** 31 - 1);
    const xs: Batch[] = [];
    const rows = this.readInputs("x", x, xs);
    if (rows === 0) throw new ShapeError("x has no rows, expected at least one");
    const workspace = this.#workspaceOf();
    const found = workspace.planFor(rows, training ? FORWARD_TRAINING : FORWARD);
    const { plan, inputs, outputs } = found;
    for (const [i, input] of inputs.entries()) plan.set(input, workspace.inputAddress(i, xs[i]!, 0, rows));
    plan.setSeed(seed);
    plan.forward();
    this.#last = found;
    const views = outputs.map((y) => Tensor.viewOf(this.core, [rows, ...y.shape], plan.addressOf(y)));
    return (views.length === 1 ? views[0]! : views) as Result;
  }

  /**
   * The gradients of the parameters and of x for the batch of the last `forward`, from the gradient of its output. It
   * overwrites what `forward` has kept: there is one `backward` for each `forward`.
   *
   * @param dy as the output: a tensor [rows, ...outputShape] or an array; an array of them for several outputs
   * @param options `accumulate`: add to `gradients` instead of overwriting them; default false
   * @returns the gradient of x, likewise. It is the model's: valid until its next `forward`, `predict` or `dispose`
   * @throws OptionError without a `forward` before, ShapeError, DisposedError, OutOfMemoryError
   */
  backward<Result extends Tensor | Tensor[] = Tensor>(dy: Rows, options: { accumulate?: boolean } = {}): Result {
    this.assertLive();
    checkKeys("options", options, ["accumulate"]);
    const { accumulate = false } = options;
    checkBoolean("accumulate", accumulate);
    const last = this.#last;
    if (last === undefined)
      throw new OptionError("backward needs a forward before it, of the batch that dy belongs to");
    const { plan, targets, inputGradients } = last;
    const workspace = this.#workspaceOf();
    const all = this.outputTensors.length === 1 ? [dy] : (dy as readonly Rows[]);
    for (const [i, target] of targets.entries()) {
      const name = this.outputTensors.length === 1 ? "dy" : `dy[${i}]`;
      const row = this.outputTensors[i]!;
      const values = flat(name, all?.[i] as Rows, row);
      const rows = readRows(name, values, this.core, row);
      if (rows !== plan.rows) throw new ShapeError(`${name} has ${rows} rows, expected ${plan.rows} as x had`);
      plan.set(target, workspace.targetAddress(i, values, 0, rows, row.size));
    }
    plan.prepare();
    this.gradientBlock.collect(accumulate, 1, () => {
      this.#last = undefined; // what the forward pass left is overwritten
      plan.backward();
    });
    const views = inputGradients.map((dx, i) => {
      const { shape } = this.inputTensors[i]!;
      if (dx === undefined) return this.core.reserve([plan.rows, ...shape]);
      return Tensor.viewOf(this.core, [plan.rows, ...shape], plan.addressOf(dx));
    });
    return (views.length === 1 ? views[0]! : views) as Result;
  }

  /** Sets the state that layers carry from batch to batch to zeros. */
  resetStates(): void {
    this.assertLive();
    for (const tensor of this.#carried.values()) tensor.data.fill(0);
  }

  /** Frees the parameters; a second call does nothing. */
  dispose(): void {
    this.#disposed = true;
    this.#workspace?.dispose();
    this.#gradients?.dispose();
    const owned = [...Object.values(this.parameters), ...Object.values(this.buffers), ...this.#carried.values()];
    for (const tensor of owned) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  assertLive(): void {
    this.core.assertLive();
    if (this.#disposed) throw new DisposedError("model was used after dispose()");
  }

  /** Checks the inputs of a batch, one for each of the model's, and lists them in `xs`; returns their rows. @internal */
  readInputs(name: string, x: Rows, xs: Batch[]): number {
    this.assertLive();
    const rows = readParts(name, x, this.core, this.inputTensors, xs);
    for (const { input, layer } of this.#checked) {
      const elements = xs[input]!;
      const part = xs.length === 1 ? name : `${name}[${input}]`;
      layer.checkInput!(part, elements instanceof Tensor ? elements.data : elements);
    }
    return rows;
  }

  /** Whether there is memory for gradients yet. @internal */
  get hasGradients(): boolean {
    return this.#gradients !== undefined;
  }

  /** Frees the memory of gradients, which nobody has used yet. @internal */
  dropGradients(): void {
    this.#gradients?.dispose();
    this.#gradients = undefined;
  }

  #workspaceOf(): Workspace {
    this.#workspace ??= new Workspace(this, (kind) => PLANS[kind]!);
    return this.#workspace;
  }

  #carriedFor(key: string, size: number): Tensor {
    let tensor = this.#carried.get(key);
    if (tensor === undefined) {
      tensor = this.core.reserve([size]);
      this.#carried.set(key, tensor);
    }
    return tensor;
  }
}

/** Checks one batch for each of these tensors, all of as many rows, and lists them in `into`; returns their rows. */
function readParts(name: string, batch: Rows, core: Core, tensors: readonly SymbolicTensor[], into: Batch[]): number {
  if (tensors.length === 1) {
    into[0] = flat(name, batch, tensors[0]!);
    return readRows(name, into[0], core, tensors[0]!);
  }
  if (!Array.isArray(batch) || batch.length !== tensors.length) {
    throw unexpected(name, batch, `an array of ${tensors.length} batches`);
  }
  const counts = tensors.map((tensor, i) => {
    const part = `${name}[${i}]`;
    into[i] = flat(part, batch[i] as Rows, tensor);
    return readRows(part, into[i]!, core, tensor);
  });
  const other = counts.findIndex((rows) => rows !== counts[0]);
  if (other > 0)
    throw new ShapeError(`${name}[${other}] has ${counts[other]} rows, expected ${counts[0]} as ${name}[0]`);
  return counts[0]!;
}

function flat(name: string, batch: Rows, { shape }: SymbolicTensor): Batch {
  return flatRows(name, batch, shape);
}

function checkTensors(name: string, given: unknown): readonly SymbolicTensor[] {
  const tensors: unknown[] = Array.isArray(given) ? given : [given];
  if (tensors.length === 0) throw unexpected(name, given, "at least one symbolic tensor");
  for (const [i, tensor] of tensors.entries()) {
    if (!(tensor instanceof SymbolicTensor)) {
      throw unexpected(Array.isArray(given) ? `${name}[${i}]` : name, tensor, "what input() or apply() returned");
    }
  }
  return Object.freeze(tensors as SymbolicTensor[]);
}

/** What layers make, in topological order. Throws if an output depends on an input that is not named. */
function sortTensors(inputs: readonly SymbolicTensor[], outputs: readonly SymbolicTensor[]): SymbolicTensor[] {
  const repeated = inputs.findIndex((tensor, i) => inputs.indexOf(tensor) !== i);
  if (repeated >= 0)
    throw new OptionError(`inputs[${repeated}] is the same as inputs[${inputs.indexOf(inputs[repeated]!)}]`);
  const found = new Set<SymbolicTensor>();
  const waiting = [...outputs];
  for (let tensor = waiting.pop(); tensor !== undefined; tensor = waiting.pop()) {
    if (found.has(tensor) || inputs.includes(tensor)) continue;
    if (tensor.layer === undefined) {
      throw new OptionError(`outputs depend on an input of shape [${tensor.shape}] that is not among inputs`);
    }
    found.add(tensor);
    for (const x of tensor.inputs) waiting.push(x);
  }
  // A tensor is made after those that it is made of.
  return [...found].sort((a, b) => a.order - b.order);
}

function checkNames(names: ReadonlyMap<Layer, string>): void {
  const seen = new Set<string>();
  for (const name of names.values()) {
    if (seen.has(name)) throw new OptionError(`two layers have the name "${name}", expected different ones`);
    seen.add(name);
  }
}

function checkShared(name: string, parameters: Record<string, Tensor>, shape: Shape): void {
  const { shape: first } = parameters[name]!;
  if (String(first) === String(shape)) return;
  throw new ShapeError(`${name} has shape [${first}], but a second use of the layer needs [${shape}]`);
}

import { checkInteger, checkKeys, unexpected } from "../checks.js";
import { Core } from "../core.js";
import { DisposedError, OptionError, ShapeError } from "../errors.js";
import { Random } from "../random.js";
import type { Tensor } from "../tensor.js";
import { type Batch, readRows } from "./data.js";
import type { Layer } from "./layers.js";
import { type Stage, Workspace } from "./workspace.js";

/** Options of `Sequential`. */
export interface SequentialOptions {
  /** Seed of the start values, an integer from 0 to 2³² − 1; default 0. The same seed gives the same bits in every engine. */
  seed?: number;
}

/** Rows that prediction and evaluation compute at a time. */
const CHUNK_ROWS = 256;

/**
 * A stack of layers. Its parameters are tensors named after their layer: `"0.weight"`, `"0.bias"`, `"2.weight"`, …
 *
 * @example
 * const model = new Sequential(core, [dense(784, 128), relu(), dense(128, 10)], { seed: 1 });
 */
export class Sequential {
  readonly core: Core;
  readonly layers: readonly Layer[];
  /** Width of a row of x. */
  readonly inputs: number;
  /** Width of a row of y. */
  readonly outputs: number;
  /** Weights [inputs, outputs] and biases [outputs], by name. */
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** What the layers come down to: an activation after a dense layer is one stage with it. @internal */
  readonly stages: readonly Stage[];
  #workspace: Workspace | undefined;
  #disposed = false;

  /**
   * @throws OptionError, ShapeError when the width of a layer is not that of the one before it, OutOfMemoryError
   */
  constructor(core: Core, layers: readonly Layer[], options: SequentialOptions = {}) {
    if (!(core instanceof Core)) throw unexpected("core", core, "a Core");
    core.assertLive();
    checkKeys("options", options, ["seed"]);
    const { seed = 0 } = options;
    checkInteger("seed", seed, 0, 2 ** 32 - 1);
    const widths = checkWidths(layers);
    this.core = core;
    this.layers = Object.freeze([...layers]);
    this.inputs = widths[0]!;
    this.outputs = widths.at(-1)!;
    const parameters: Record<string, Tensor> = {};
    try {
      createParameters(core, layers, new Random(seed), parameters);
    } catch (error) {
      for (const tensor of Object.values(parameters)) tensor.dispose();
      throw error;
    }
    this.parameters = Object.freeze(parameters);
    this.stages = createStages(layers, widths, parameters);
  }

  /**
   * The outputs for each row of `x`, as a new tensor [rows, outputs]. Dropout is not applied.
   *
   * A row's result does not depend on the rows beside it, down to the bits.
   *
   * @param x a tensor [rows, inputs], or an array of rows · inputs numbers
   * @throws ShapeError, OptionError, DisposedError, OutOfMemoryError
   */
  predict(x: Batch): Tensor {
    this.assertLive();
    const rows = readRows("x", x, this.core, this.inputs);
    const y = this.core.tensor([rows, this.outputs]);
    try {
      this.forEachChunk(x, rows, false, (outputPtr, first, count) => {
        const values = new Float32Array(this.core.linearMemory.buffer, outputPtr, count * this.outputs);
        y.data.set(values, first * this.outputs);
      });
    } catch (error) {
      y.dispose();
      throw error;
    }
    return y;
  }

  /** Frees the parameters; a second call does nothing. */
  dispose(): void {
    this.#disposed = true;
    this.#workspace?.dispose();
    for (const tensor of Object.values(this.parameters)) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  assertLive(): void {
    this.core.assertLive();
    if (this.#disposed) throw new DisposedError("model was used after dispose()");
  }

  /**
   * Calls `visit` with the outputs of up to `CHUNK_ROWS` rows at a time; with `absorbed` without the last activation.
   * @internal
   */
  forEachChunk(
    x: Batch,
    rows: number,
    absorbed: boolean,
    visit: (outputPtr: number, first: number, count: number) => void,
  ): void {
    this.#workspace ??= new Workspace(this, CHUNK_ROWS, false);
    const workspace = this.#workspace;
    for (let first = 0; first < rows; first += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, rows - first);
      const inputPtr = workspace.input(x, first, count);
      visit(workspace.forward(inputPtr, count, absorbed, 0), first, count);
    }
  }
}

/** Widths before the first layer and after each; throws unless they fit. */
function checkWidths(layers: readonly Layer[]): number[] {
  if (!Array.isArray(layers)) throw unexpected("layers", layers, "an array of layers");
  const first = layers.find((layer) => layer?.kind === "dense");
  if (first === undefined) throw new OptionError("layers holds no dense layer, expected at least one");
  const widths = [first.inputs];
  layers.forEach((layer, index) => {
    const width = widths[index]!;
    const kind = layer?.kind;
    if (kind !== "dense" && kind !== "activation" && kind !== "dropout") {
      throw unexpected(`layers[${index}]`, layer, "a layer such as dense(4, 2)");
    }
    if (kind === "dense" && layer.inputs !== width) {
      throw new ShapeError(`layers[${index}] takes ${layer.inputs} inputs, but the layer before it gives ${width}`);
    }
    widths.push(kind === "dense" ? layer.outputs : width);
  });
  return widths;
}

function createParameters(core: Core, layers: readonly Layer[], random: Random, into: Record<string, Tensor>): void {
  layers.forEach((layer, index) => {
    if (layer.kind !== "dense") return;
    const { inputs, outputs, initializer } = layer;
    into[`${index}.weight`] = core.tensor([inputs, outputs], () => initializer(random, inputs, outputs));
    if (layer.bias) into[`${index}.bias`] = core.tensor([outputs]);
  });
}

function createStages(layers: readonly Layer[], widths: number[], parameters: Record<string, Tensor>): Stage[] {
  const stages: Stage[] = [];
  layers.forEach((layer, index) => {
    const width = widths[index + 1]!;
    const before = stages.at(-1);
    if (layer.kind === "dense") {
      const weight = parameters[`${index}.weight`]!;
      stages.push({
        kind: "dense",
        name: `${index}`,
        width,
        weight,
        bias: parameters[`${index}.bias`],
        activation: "identity",
      });
    } else if (layer.kind === "dropout") {
      stages.push({
        kind: "dropout",
        width,
        threshold: Math.floor(layer.rate * 2 ** 32),
        scale: 1 / (1 - layer.rate),
        stream: Math.imul(index + 1, 0x9e3779b9),
      });
    } else if (before?.kind === "dense" && before.activation === "identity") before.activation = layer.activation;
    else stages.push({ kind: "activation", width, activation: layer.activation });
  });
  return stages;
}

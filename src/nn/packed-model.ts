import { PACKED } from "../abi/packed.js";
import { unexpected } from "../checks.js";
import type { Core } from "../core.js";
import type { PackedTensor } from "../packed.js";
import { type Shape, Tensor } from "../tensor.js";
import type { Rows } from "./data.js";
import { Model } from "./model.js";
import { planModel } from "./model-plan.js";
import type { EmittedCall } from "./plan-builder.js";
import { Value } from "./value.js";

/** Columns from which a packed weight is read faster than a plain one. */
const COLUMNS = 32;

// Arguments of gemm_f32.
const BATCH = 0;
const N = 2;
const K = 3;
const B = 9;
const LDB = 11;
const TRANSPOSE_B = 12;

/** A model for predictions alone, whose weights are packed. Made by `packModel`. */
export class PackedModel {
  readonly core: Core;
  readonly inputShape: Shape;
  readonly outputShape: Shape;
  readonly #model: Model;
  readonly #packed = new Map<Tensor, PackedTensor>();

  /** Use `packModel`. @internal */
  constructor(model: Model) {
    this.#model = copyOf(model);
    this.core = model.core;
    this.inputShape = model.inputShape;
    this.outputShape = model.outputShape;
    const parameters = new Set(Object.values(this.#model.parameters));
    this.#model.context.rewrite = (calls) => {
      for (const call of calls) this.#rewrite(call, parameters);
    };
    try {
      // Any plan packs the weights; done here, no prediction has to.
      planModel(this.#model, 1, { training: false, gradients: false }).plan.dispose();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** As `model.predict`, with the same bits. */
  predict(x: Rows, options?: { out?: Tensor }): Tensor {
    return this.#model.predict(x, options);
  }

  /** As `model.predictProbabilities`. */
  predictProbabilities(x: Rows): Float32Array {
    return this.#model.predictProbabilities(x);
  }

  /** As `model.predictClasses`. */
  predictClasses(x: Rows): Int32Array {
    return this.#model.predictClasses(x);
  }

  /** Sets the state that layers carry from batch to batch to zeros. */
  resetStates(): void {
    this.#model.resetStates();
  }

  /** Frees the copies, not the model that they were made of; a second call does nothing. */
  dispose(): void {
    this.#model.dispose();
    for (const packed of this.#packed.values()) packed.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Lets a product with a whole parameter on the right take it packed. */
  #rewrite({ kernel, args }: EmittedCall, parameters: ReadonlySet<Tensor>): void {
    if (kernel !== "gemm_f32" || args[BATCH] !== 1) return;
    const n = args[N] as number;
    const k = args[K] as number;
    const b = args[B]!;
    const transposeB = args[TRANSPOSE_B] === 1;
    if (!(b instanceof Value && b.place instanceof Tensor && parameters.has(b.place))) return;
    if (n < COLUMNS || args[LDB] !== (transposeB ? k : n)) return;
    let packed = this.#packed.get(b.place);
    if (packed === undefined) {
      const matrix = Tensor.viewOf(this.core, transposeB ? [n, k] : [k, n], b.place.ptr);
      packed = this.core.pack(matrix, { transposeB });
      this.#packed.set(b.place, packed);
    }
    args[B] = new Value(b.shape, b.size, packed.block, false);
    args[LDB] = k;
    args[TRANSPOSE_B] = PACKED;
  }
}

/**
 * A copy of a model for predictions: its weights are packed once, as by `core.pack`. Predictions of one to eight rows are
 * faster then, with the same bits. Later changes to the model, such as further training, have no effect on the copy.
 *
 * Cost: memory for a copy of the parameters, and for one more of the weights that are packed.
 *
 * @throws OptionError, OutOfMemoryError, DisposedError; nothing is then allocated
 * @example
 * const packed = packModel(model);
 * const y = packed.predict(x);
 * packed.dispose();
 */
export function packModel(model: Model): PackedModel {
  if (!(model instanceof Model)) throw unexpected("model", model, "a Model");
  model.assertLive();
  return new PackedModel(model);
}

/** The same graph with the same names, and copies of the parameters and buffers. */
function copyOf(model: Model): Model {
  const names = new Map(model.nodes.map(({ tensor, name }) => [tensor.layer!, name]));
  class Copy extends Model {
    protected override layerNames(): typeof names {
      return names;
    }

    protected override startOf(): undefined {
      return undefined;
    }
  }
  const copy = new Copy(model.core, { inputs: model.inputTensors, outputs: model.outputTensors });
  for (const [name, tensor] of Object.entries(model.parameters)) copy.parameters[name]!.data.set(tensor.data);
  for (const [name, tensor] of Object.entries(model.buffers)) copy.buffers[name]!.data.set(tensor.data);
  return copy;
}

import { ACTIVATION } from "../../backend/backend.js";
import { attentionFamily } from "../../backend/families/attention.js";
import { nnFamily } from "../../backend/families/nn.js";
import { checkBoolean, checkInteger, checkKeys, unexpected } from "../../checks.js";
import { ShapeError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import { glorotUniform, type Initializer } from "../initializers.js";
import { Layer, type ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import { multiply } from "../products.js";
import type { Value } from "../value.js";
import { checkName, optionList } from "./options.js";

/** Options of `multiHeadAttention`. */
export interface MultiHeadAttentionOptions {
  /** Elements of a head's queries and keys, >= 1. Default: the query's width / heads. */
  keySize?: number;
  /** Elements of a head's values, >= 1. Default: `keySize`. */
  valueSize?: number;
  /** Place i sees the places 0 … i alone. Default false. */
  causal?: boolean;
  /** Adds a vector to queries, keys, values and outputs. Default true; they start at 0. */
  bias?: boolean;
  /** Start values of the weights. Default `glorotUniform()`. */
  initializer?: Initializer;
  /** Its name in the model's parameters. Default: its number. */
  name?: string;
}

/** The shapes of a row of the layer's inputs. */
interface InputShapes {
  readonly query: Shape;
  readonly value: Shape;
  readonly key: Shape;
  readonly mask: Shape | undefined;
}

/** x·W + b along the last axis, and what its backward pass needs. */
interface Projection {
  readonly x: Value;
  readonly weight: Value;
  readonly bias: Value | undefined;
  readonly y: Value;
}

/** What `multiHeadAttention` makes. */
export class MultiHeadAttentionLayer extends Layer {
  readonly kind = "multiHeadAttention";
  readonly heads: number;
  readonly keySize: number | undefined;
  readonly valueSize: number | undefined;
  readonly causal: boolean;
  readonly bias: boolean;
  readonly initializer: Initializer;

  constructor(heads: number, options: MultiHeadAttentionOptions) {
    checkInteger("heads", heads, 1);
    checkKeys("options", options, ["keySize", "valueSize", "causal", "bias", "initializer", "name"]);
    const { keySize, valueSize, causal = false, bias = true, initializer = glorotUniform(), name } = options;
    if (keySize !== undefined) checkInteger("keySize", keySize, 1);
    if (valueSize !== undefined) checkInteger("valueSize", valueSize, 1);
    checkBoolean("causal", causal);
    checkBoolean("bias", bias);
    if (typeof initializer !== "function") {
      throw unexpected("initializer", initializer, "a function such as glorotUniform()");
    }
    super(checkName(name));
    this.heads = heads;
    this.keySize = keySize;
    this.valueSize = valueSize;
    this.causal = causal;
    this.bias = bias;
    this.initializer = initializer;
  }

  override config(): readonly unknown[] {
    const { heads, keySize, valueSize, causal, bias, name } = this;
    return [heads, ...optionList({ keySize, valueSize, causal, bias, name })];
  }

  override outputShape(...inputs: readonly Shape[]): Shape {
    return this.#inputShapes(inputs).query;
  }

  override parameters(...inputs: readonly Shape[]): readonly ParameterSpec[] {
    const { heads } = this;
    const { query, key, value } = this.#inputShapes(inputs);
    const { keySize, valueSize } = this.#sizes(query);
    return [
      ...this.#projection("query", query[1]!, heads * keySize),
      ...this.#projection("key", key[1]!, heads * keySize),
      ...this.#projection("value", value[1]!, heads * valueSize),
      ...this.#projection("output", heads * valueSize, query[1]!),
    ];
  }

  override plan(builder: PlanBuilder, ...inputs: readonly Value[]): Value {
    const { heads } = this;
    const { mask: maskShape } = this.#inputShapes(inputs.map(({ shape }) => shape));
    const [queries, values = queries!, keys = values] = maskShape === undefined ? inputs : inputs.slice(0, -1);
    const mask = maskShape === undefined ? 0 : inputs.at(-1)!;
    const { keySize, valueSize } = this.#sizes(queries!.shape);
    const q = this.#project(builder, "query", queries!, heads * keySize);
    const k = this.#project(builder, "key", keys, heads * keySize);
    const v = this.#project(builder, "value", values, heads * valueSize);
    const [queryCount, keyCount] = [queries!.shape[0]!, values.shape[0]!];
    const o = builder.value([queryCount, heads * valueSize]);
    const kernels = builder.kernels(attentionFamily);
    const scratch = builder.scratch(kernels.attention_scratch_bytes(queryCount, keyCount, keySize, valueSize));
    const alpha = 1 / Math.sqrt(keySize);
    // biome-ignore format: operand by operand, as in the kernels
    const sizes = [0, builder.rows * heads, heads, queryCount, keyCount, keySize, valueSize, +this.causal, alpha];
    builder.call(attentionFamily, "attention_f32", [...sizes, q.y, k.y, v.y, mask, o, scratch]);
    const output = this.#project(builder, "output", o, queries!.shape[1]!);
    builder.backward(output.y, (dy) => {
      const slopes = builder.block(o.size);
      this.#projectBackward(builder, output, dy, slopes, false);
      const [dq, dk, dv] = [builder.block(q.y.size), builder.block(k.y.size), builder.block(v.y.size)];
      builder.call(attentionFamily, "attention_backward_f32", [
        ...sizes,
        q.y,
        k.y,
        v.y,
        mask,
        slopes,
        dq,
        dk,
        dv,
        scratch,
      ]);
      // Inputs that are one and the same get one gradient.
      const gradients = new Map<Value, Value | undefined>();
      for (const [projection, d] of [
        [q, dq],
        [k, dk],
        [v, dv],
      ] as const) {
        const { x } = projection;
        const isFirst = !gradients.has(x);
        if (isFirst) gradients.set(x, builder.gradient(x));
        this.#projectBackward(builder, projection, d, gradients.get(x), !isFirst);
      }
    });
    return output.y;
  }

  #sizes(query: Shape): { keySize: number; valueSize: number } {
    const { heads, keySize = query[1]! / heads } = this;
    if (!Number.isInteger(keySize)) {
      throw new ShapeError(
        `multiHeadAttention was applied to shape [${query}], expected a width that is a multiple of ${heads}, or keySize`,
      );
    }
    return { keySize, valueSize: this.valueSize ?? keySize };
  }

  /** Query, value, key and mask: a last input of rank 1 is the mask. */
  #inputShapes(inputs: readonly Shape[]): InputShapes {
    const last = inputs.at(-1);
    const mask = inputs.length > 1 && last?.length === 1 ? last : undefined;
    const [query, value = query, key = value, ...more] = mask === undefined ? inputs : inputs.slice(0, -1);
    const sequences = [query, value, key];
    if (more.length > 0 || sequences.some((shape) => shape?.length !== 2)) {
      throw new ShapeError(
        `multiHeadAttention was applied to shapes [${inputs.map((shape) => `[${shape}]`)}], expected [places, width] ` +
          "of the query, the value, the key, and [places] of a mask",
      );
    }
    if (key![0] !== value![0] || (mask !== undefined && mask[0] !== value![0])) {
      throw new ShapeError(
        `multiHeadAttention was applied to a value of shape [${value}], a key of shape [${key}]` +
          `${mask === undefined ? "" : ` and a mask of shape [${mask}]`}, expected as many places`,
      );
    }
    this.#sizes(query!);
    return { query: query!, value: value!, key: key!, mask };
  }

  #projection(name: string, inputs: number, outputs: number): ParameterSpec[] {
    const { initializer } = this;
    const weight: ParameterSpec = {
      name: `${name}.weight`,
      shape: [inputs, outputs],
      start: (random) => () => initializer(random, inputs, outputs),
    };
    return this.bias ? [weight, { name: `${name}.bias`, shape: [outputs] }] : [weight];
  }

  #project(builder: PlanBuilder, name: string, x: Value, width: number): Projection {
    const weight = builder.parameter(`${name}.weight`);
    const bias = this.bias ? builder.parameter(`${name}.bias`) : undefined;
    const y = builder.value([x.shape[0]!, width]);
    const inputs = x.shape[1]!;
    multiply(builder, { m: x.size / inputs, n: width, k: inputs, a: x, b: weight, c: y, bias });
    return { x, weight, bias, y };
  }

  /** Gradients of a projection; that of x is added to `dx` if `accumulate`. */
  #projectBackward(
    builder: PlanBuilder,
    projection: Projection,
    dy: Value,
    dx: Value | undefined,
    accumulate: boolean,
  ) {
    const { x, weight, bias, y } = projection;
    const [inputs, outputs] = [x.shape[1]!, y.shape[1]!];
    const rows = x.size / inputs;
    const dbias = bias && builder.gradient(bias);
    if (dbias) {
      builder.call(nnFamily, "activation_backward_f32", [ACTIVATION.identity, rows, outputs, dy, dy, dy, dbias]);
    }
    const dweight = builder.gradient(weight);
    if (dweight) multiply(builder, { m: inputs, n: outputs, k: rows, a: x, transposeA: true, b: dy, c: dweight });
    if (dx === undefined) return;
    const beta = +accumulate;
    multiply(builder, { m: rows, n: inputs, k: outputs, a: dy, b: weight, transposeB: true, c: dx, beta });
  }
}

/**
 * Multi-head attention. With one input it is self-attention; `apply([query, value])` or `apply([query, value, key])`
 * attends to another sequence, and a last input of shape [places] is a mask, 0 for places of the value that are
 * hidden.
 *
 * For each head: q = query·Wq + bq, k = key·Wk + bk, v = value·Wv + bv, o = softmax(q·kᵀ / √keySize)·v; the heads' o,
 * concatenated, are multiplied by Wo. A query that sees nothing gives o = 0.
 *
 * Parameters: `query.weight` [width, heads·keySize], `key.weight`, `value.weight` [width, heads·valueSize],
 * `output.weight` [heads·valueSize, query's width], each with a `bias`.
 *
 * Cost: scores exist for 64 queries at a time; the backward pass computes them again.
 *
 * @param heads >= 1
 * @param options see `MultiHeadAttentionOptions`
 * @throws OptionError
 * @example
 * const x = input([16, 32]);
 * const y = add().apply([x, multiHeadAttention(4, { causal: true }).apply(layerNorm().apply(x))]);
 * @see Vaswani et al., NeurIPS 2017; Keras MultiHeadAttention
 */
export function multiHeadAttention(heads: number, options: MultiHeadAttentionOptions = {}): MultiHeadAttentionLayer {
  return new MultiHeadAttentionLayer(heads, options);
}

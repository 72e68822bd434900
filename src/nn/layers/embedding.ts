import { embeddingFamily } from "../../backend/families/embedding.js";
import { checkInteger, checkKeys, unexpected } from "../../checks.js";
import type { Shape } from "../../tensor.js";
import { type Initializer, uniform } from "../initializers.js";
import { Layer, type ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";
import { checkName, optionList } from "./options.js";

/** Options of `embedding` and `positionalEmbedding`. */
export interface EmbeddingOptions {
  /** Start values of the rows. Default `uniform(-0.05, 0.05)`. */
  initializer?: Initializer;
  /** Its name in the model's parameters. Default: its number. */
  name?: string;
}

/** The options with their defaults; throws OptionError. */
export function checkEmbeddingOptions(options: EmbeddingOptions): Required<Pick<EmbeddingOptions, "initializer">> {
  checkKeys("options", options, ["initializer", "name"]);
  const { initializer = uniform(-0.05, 0.05) } = options;
  if (typeof initializer !== "function") throw unexpected("initializer", initializer, "a function such as uniform()");
  return { initializer };
}

/** What `embedding` makes. */
export class EmbeddingLayer extends Layer {
  readonly kind = "embedding";
  readonly count: number;
  readonly width: number;
  readonly initializer: Initializer;

  constructor(count: number, width: number, options: EmbeddingOptions) {
    checkInteger("count", count, 1, 2 ** 24); // beyond that float32 has not every integer
    checkInteger("width", width, 1);
    const { initializer } = checkEmbeddingOptions(options);
    super(checkName(options.name));
    this.count = count;
    this.width = width;
    this.initializer = initializer;
  }

  override config(): readonly unknown[] {
    return [this.count, this.width, ...optionList({ name: this.name })];
  }

  override outputShape(input: Shape): Shape {
    return [...input, this.width];
  }

  override parameters(): readonly ParameterSpec[] {
    const { count, width, initializer } = this;
    return [{ name: "weight", shape: [count, width], start: (random) => () => initializer(random, count, width) }];
  }

  /** Throws OptionError unless every element is an id that there is. */
  override checkInput(name: string, ids: ArrayLike<number>): void {
    const { count } = this;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      if (!(Number.isInteger(id) && id >= 0 && id < count)) {
        throw unexpected(`${name}[${i}]`, id, `an id from 0 to ${count - 1}`);
      }
    }
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const { count, width } = this;
    const weight = builder.parameter("weight");
    const y = builder.value(this.outputShape(x.shape));
    builder.call(embeddingFamily, "gather_f32", [1, x.size, width, count, x, 0, weight, y, y.size]);
    builder.backward(y, (dy) => {
      const dweight = builder.gradient(weight);
      if (dweight === undefined) return;
      builder.call(embeddingFamily, "scatter_add_f32", [x.size, width, count, width, x, 0, 0, dy, dweight]);
    });
    return y;
  }
}

/**
 * A vector for each id: y[…, :] = weight[x[…], :]. Inputs are integers from 0 to count − 1; each batch is checked if the
 * layer reads an input of the model, and an id that something else computes and that there is not gives NaN.
 *
 * Parameters: `weight` [count, width]. Its gradient adds the rows of dy in ascending order of position.
 *
 * @param count of ids, from 1 to 2²⁴
 * @param width of a vector, >= 1
 * @param options see `EmbeddingOptions`
 * @throws OptionError
 * @example
 * const model = new Sequential(core, [embedding(1000, 32), flatten(), dense(2)], { inputShape: [20] });
 */
export function embedding(count: number, width: number, options: EmbeddingOptions = {}): EmbeddingLayer {
  return new EmbeddingLayer(count, width, options);
}

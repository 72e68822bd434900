import { nnFamily } from "../../backend/families/nn.js";
import { reduceFamily } from "../../backend/families/reduce.js";
import { checkChoice, checkKeys, unexpected } from "../../checks.js";
import { OptionError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import { Layer, layerConfig, type ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";
import { checkName, optionList } from "./options.js";
import { RecurrentLayer } from "./recurrent.js";
import { checkSequence, timeMajor } from "./sequence-run.js";

const MODES = ["concat", "sum", "mul", "ave"] as const;

/** How the outputs of the two directions become one. */
export type MergeMode = (typeof MODES)[number];

/** Options of `bidirectional`. */
export interface BidirectionalOptions {
  /** The outputs next to each other, their sum, product or mean. Default `"concat"`. */
  mergeMode?: MergeMode;
  /** Its name in the model's parameters. Default: its number. */
  name?: string;
}

/** The two directions, and what their parameters' names begin with. */
const DIRECTIONS = ["forward", "backward"] as const;

/** What `bidirectional` makes. */
export class BidirectionalLayer extends Layer {
  readonly kind = "bidirectional";
  readonly layer: RecurrentLayer;
  readonly mergeMode: MergeMode;

  constructor(layer: RecurrentLayer, options: BidirectionalOptions) {
    if (!(layer instanceof RecurrentLayer)) throw unexpected("layer", layer, "a recurrent layer such as lstm(32)");
    if (layer.goBackwards)
      throw new OptionError("layer goes backwards, expected one that bidirectional can turn itself");
    checkKeys("options", options, ["mergeMode", "name"]);
    const { mergeMode = "concat" } = options;
    checkChoice("mergeMode", mergeMode, MODES);
    super(checkName(options.name));
    this.layer = layer;
    this.mergeMode = mergeMode;
  }

  override config(): readonly unknown[] {
    return [layerConfig(this.layer), ...optionList({ mergeMode: this.mergeMode, name: this.name })];
  }

  override get carriesState(): boolean {
    return this.layer.carriesState;
  }

  override outputShape(...[x, ...others]: readonly [Shape, ...Shape[]]): Shape {
    checkSequence(this.kind, x, this.layer.masked, others);
    const [mask, states] = this.#split(others);
    const half = Math.ceil(states.length / 2);
    const shape = this.layer.outputShape(x, ...mask, ...states.slice(0, half));
    if (half > 0) this.layer.outputShape(x, ...mask, ...states.slice(half));
    return this.mergeMode === "concat" ? [...shape.slice(0, -1), shape.at(-1)! * 2] : shape;
  }

  override parameters(x: Shape): readonly ParameterSpec[] {
    const specs = this.layer.parameters(x);
    return DIRECTIONS.flatMap((part) => specs.map((spec) => ({ ...spec, name: `${part}.${spec.name}` })));
  }

  override plan(builder: PlanBuilder, x: Value, ...others: readonly Value[]): Value {
    const { layer, mergeMode } = this;
    const { units, returnSequences } = layer;
    const [steps, inputs] = x.shape as [number, number];
    const [mask, states] = this.#split(others);
    const half = states.length / 2;
    const ordered = timeMajor(builder, x);
    const shape = returnSequences ? [steps, units] : [units];
    const joined = mergeMode === "concat";
    const row = joined ? 2 * units : units;
    const whole = builder.value([...shape.slice(0, -1), row]);
    const outputs = joined ? [whole, whole] : [builder.value(shape), builder.value(shape)];
    const backs = DIRECTIONS.map((part, i) => {
      // y has the steps in the order of x: the way back begins with the last one.
      const first = (joined && i === 1 ? units : 0) + (i === 1 && returnSequences ? (steps - 1) * row : 0);
      return builder.within(part, builder.rows, () =>
        layer.planSequence(builder, outputs[i]!, {
          x: ordered,
          steps,
          inputs,
          mask: mask[0] ?? 0,
          initial: states.slice(i * half, (i + 1) * half),
          reverse: i === 1,
          zeroMasked: layer.zeroOutputForMask || returnSequences, // as in Keras
          outputAt: (output) => output.at(first),
          outputRow: returnSequences ? steps * row : row,
          outputStep: returnSequences ? (i === 1 ? -row : row) : 0,
        }),
      );
    });
    if (joined) {
      builder.backward(whole, (dy) => {
        for (const back of backs) back(dy);
      });
      return whole;
    }
    for (const [i, back] of backs.entries()) builder.backward(outputs[i]!, back);
    this.#merge(builder, outputs[0]!, outputs[1]!, whole);
    return whole;
  }

  /** Emits y from the outputs a and b of the two directions, and the gradients of those. */
  #merge(builder: PlanBuilder, a: Value, b: Value, y: Value): void {
    const { size } = y;
    if (this.mergeMode === "mul") {
      const multiply = (left: Value, right: Value, out: Value): void => {
        const row = left.rowSize;
        builder.call(reduceFamily, "multiply_rows_f32", [size / row, row, left, row, right, row, out, row]);
      };
      multiply(a, b, y);
      builder.backward(y, (dy) => {
        const [da, db] = [builder.gradient(a), builder.gradient(b)];
        if (da) multiply(dy, b, da);
        if (db) multiply(dy, a, db);
      });
      return;
    }
    const isMean = this.mergeMode === "ave";
    const sum = isMean ? builder.value(y.shape) : y;
    builder.call(nnFamily, "add_f32", [size, a, b, sum]);
    if (isMean) builder.call(nnFamily, "scale_f32", [size, 0.5, sum, y], [sum, y]);
    builder.backward(y, (dy) => {
      let gradient = dy;
      if (isMean) {
        gradient = builder.block(size);
        builder.call(nnFamily, "scale_f32", [size, 0.5, dy, gradient], [dy, gradient]);
      }
      builder.passGradient(a, gradient);
      builder.passGradient(b, gradient);
    });
  }

  /** The mask, if there is one, and the initial states, first those of the way forward. */
  #split<T>(others: readonly T[]): readonly [readonly T[], readonly T[]] {
    const masks = this.layer.masked ? 1 : 0;
    return [others.slice(0, masks), others.slice(masks)];
  }
}

/**
 * A recurrent layer and a second one like it that reads x from its end; each has its own parameters, `"forward.kernel"`,
 * `"backward.kernel"`, … With `returnSequences` both outputs have the steps in the order of x. Further inputs: those of the
 * layer, initial states first for the way forward, then for the way back.
 *
 * @param layer a recurrent layer: `lstm`, `gru` or `simpleRnn`
 * @param options see `BidirectionalOptions`
 * @throws OptionError
 * @example
 * const model = new Sequential(core, [bidirectional(lstm(32)), dense(10)], { inputShape: [64, 8] });
 * @see Schuster & Paliwal, "Bidirectional Recurrent Neural Networks" (1997)
 */
export function bidirectional(layer: RecurrentLayer, options: BidirectionalOptions = {}): BidirectionalLayer {
  return new BidirectionalLayer(layer, options);
}

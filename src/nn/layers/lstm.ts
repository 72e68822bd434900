import { recurrentFamily } from "../../backend/families/recurrent.js";
import { checkBoolean } from "../../checks.js";
import type { ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Address, Argument } from "../value.js";
import { RecurrentLayer } from "./recurrent.js";
import type { GatedOptions } from "./recurrent-options.js";
import type { SequenceState } from "./sequence-run.js";

/** Options of `lstm`. */
export interface LstmOptions extends GatedOptions {
  /** The forget gate's bias starts at 1 instead of 0. Default true. */
  unitForgetBias?: boolean;
}

/** What `lstm` makes. */
export class LstmLayer extends RecurrentLayer {
  readonly kind = "lstm";
  readonly gates = 4;
  readonly states = ["state", "cell"];
  readonly unitForgetBias: boolean;

  constructor(units: number, options: LstmOptions) {
    super(units, options, ["recurrentActivation", "unitForgetBias"]);
    const { unitForgetBias = true } = options;
    checkBoolean("unitForgetBias", unitForgetBias);
    this.unitForgetBias = unitForgetBias;
  }

  protected override options(): Readonly<Record<string, unknown>> {
    const { recurrentActivation, unitForgetBias } = this;
    return { ...super.options(), recurrentActivation, unitForgetBias };
  }

  override biasSpec(): ParameterSpec {
    const { units, unitForgetBias } = this;
    const isForget = (index: number) => unitForgetBias && index >= units && index < 2 * units;
    return { name: "bias", shape: [4 * units], start: () => (index) => Number(isForget(index)) };
  }

  protected override emit(
    builder: PlanBuilder,
    { rows, gates, states, extra, steps, mask, scratch }: SequenceState,
    initial: readonly Argument[],
    final: readonly Argument[],
    output: Address,
  ): (dOutput: Address, dInitial: readonly Argument[]) => void {
    const cells = builder.block((steps + 1) * builder.rows * this.units);
    const blocks = [...rows, gates, states, cells, extra, mask];
    builder.call(recurrentFamily, "lstm_forward_f32", [...blocks, ...initial, ...final, output, scratch]);
    return (dOutput, dInitial) => {
      const read = [...rows, gates, cells, extra, mask];
      builder.call(recurrentFamily, "lstm_backward_f32", [...read, dOutput, 0, 0, ...dInitial, scratch]);
    };
  }
}

/**
 * Long short-term memory. For each step, with h and c from the one before it, at first zeros:
 *
 *   i = σ(x·Wᵢ + h·Uᵢ + bᵢ)   f = σ(x·W_f + h·U_f + b_f)   g = tanh(x·W_g + h·U_g + b_g)   o = σ(x·Wₒ + h·Uₒ + bₒ)
 *   c ← f·c + i·g             h ← o·tanh(c)
 *
 * x [steps, features] becomes the last h, [units], or with `returnSequences` every h, [steps, units]. Parameters:
 * `kernel` W [features, 4·units], `recurrent` U [units, 4·units], `bias` b [4·units], with gates in the order i, f, g, o.
 * Further inputs: a mask [steps] with `masked`; initial h and c, [units] each.
 *
 * Sums of products run in ascending order; gradients of parameters add steps in ascending order of time, then rows. The
 * bits do not depend on the number of threads. A step of the batch costs 8·units·(features + units) flops a row, three
 * times that with the backward pass; between the two it keeps 6·units float32 a row and step.
 *
 * @param units width of h, >= 1
 * @param options see `LstmOptions`
 * @throws OptionError
 * @example
 * const model = new Sequential(core, [lstm(32, { returnSequences: true }), lstm(32), dense(10)], { inputShape: [64, 8] });
 * @see Hochreiter & Schmidhuber, "Long Short-Term Memory" (1997); layout and defaults are those of Keras 3
 */
export function lstm(units: number, options: LstmOptions = {}): LstmLayer {
  return new LstmLayer(units, options);
}

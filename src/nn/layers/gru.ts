import { recurrentFamily } from "../../backend/families/recurrent.js";
import { reduceFamily } from "../../backend/families/reduce.js";
import { checkBoolean } from "../../checks.js";
import type { ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import { multiply } from "../products.js";
import type { Address, Argument, Value } from "../value.js";
import { RecurrentLayer } from "./recurrent.js";
import type { GatedOptions } from "./recurrent-options.js";
import { type SequenceState, sumRows } from "./sequence-run.js";

/** Options of `gru`. */
export interface GruOptions extends GatedOptions {
  /** Applies the reset gate after the product with U, as PyTorch and Keras do, instead of before it. Default true. */
  resetAfter?: boolean;
}

/** What `gru` makes. */
export class GruLayer extends RecurrentLayer {
  readonly kind = "gru";
  readonly gates = 3;
  readonly states = ["state"];
  readonly resetAfter: boolean;

  constructor(units: number, options: GruOptions) {
    super(units, options, ["recurrentActivation", "resetAfter"]);
    const { resetAfter = true } = options;
    checkBoolean("resetAfter", resetAfter);
    this.resetAfter = resetAfter;
  }

  protected override options(): Readonly<Record<string, unknown>> {
    const { recurrentActivation, resetAfter } = this;
    return { ...super.options(), recurrentActivation, resetAfter };
  }

  override get resetsAfter(): boolean {
    return this.resetAfter;
  }

  override biasSpec(): ParameterSpec {
    const columns = 3 * this.units;
    return { name: "bias", shape: this.resetAfter ? [2, columns] : [columns] };
  }

  protected override emit(
    builder: PlanBuilder,
    { rows, gates, states, extra, bias, mask, scratch }: SequenceState,
    initial: readonly Argument[],
    final: readonly Argument[],
    output: Address,
  ): (dOutput: Address, dInitial: readonly Argument[]) => void {
    const recurrentBias = bias && this.resetAfter ? bias.at(3 * this.units) : 0;
    const blocks = [gates, states, extra, mask];
    const forward = [...rows, recurrentBias, ...blocks, ...initial, ...final, output, scratch];
    builder.call(recurrentFamily, "gru_forward_f32", forward);
    return (dOutput, dInitial) => {
      builder.call(recurrentFamily, "gru_backward_f32", [...rows, ...blocks, dOutput, 0, ...dInitial, scratch]);
    };
  }

  override emitBiasGradient(builder: PlanBuilder, state: SequenceState, dBias: Value): void {
    super.emitBiasGradient(builder, state, dBias);
    if (!this.resetAfter) return;
    // The second row: z and r have the same gradient as in the first one.
    const { units } = this;
    const [from, to] = [dBias.at(0), dBias.at(3 * units)];
    builder.call(reduceFamily, "copy_rows_f32", [1, 2 * units, from, 2 * units, to, 2 * units]);
    sumRows(builder, state.steps * builder.rows, units, state.extra, dBias.at(5 * units));
  }

  override emitRecurrentGradient(builder: PlanBuilder, state: SequenceState, dRecurrent: Value): void {
    const { units, resetAfter } = this;
    const { gates, extra, before, steps } = state;
    const shared = { m: units, k: steps * builder.rows, transposeA: true, ldc: 3 * units };
    multiply(builder, { ...shared, n: 2 * units, a: before, b: gates, ldb: 3 * units, c: dRecurrent });
    const last = { ...shared, n: units, c: dRecurrent.at(2 * units) };
    if (resetAfter) multiply(builder, { ...last, a: before, b: extra });
    else multiply(builder, { ...last, a: extra, b: gates.at(2 * units), ldb: 3 * units });
  }
}

/**
 * Gated recurrent unit. For each step, with h from the one before it, at first zeros:
 *
 *   z = σ(x·W_z + b_z + (h·U_z + c_z))   r = σ(x·Wᵣ + bᵣ + (h·Uᵣ + cᵣ))
 *   g = tanh(x·Wₕ + bₕ + r·(h·Uₕ + cₕ)), or with `resetAfter: false` tanh(x·Wₕ + bₕ + (r·h)·Uₕ)
 *   h ← z·h + (1 − z)·g
 *
 * x [steps, features] becomes the last h, [units], or with `returnSequences` every h, [steps, units]. Parameters:
 * `kernel` W [features, 3·units], `recurrent` U [units, 3·units], gates in the order z, r, h; `bias` [2, 3·units], the rows
 * b and c, or with `resetAfter: false` [3·units], without c. Further inputs: a mask [steps] with `masked`; an initial h,
 * [units].
 *
 * Order of sums and independence of threads as in `lstm`. A step of the batch costs 6·units·(features + units) flops a
 * row, three times that with the backward pass; between the two it keeps 5·units float32 a row and step.
 *
 * @param units width of h, >= 1
 * @param options see `GruOptions`
 * @throws OptionError
 * @example
 * const model = new Sequential(core, [gru(32), dense(10)], { inputShape: [64, 8] });
 * @see Cho et al., "Learning Phrase Representations using RNN Encoder–Decoder" (2014); layout and defaults are Keras 3's
 */
export function gru(units: number, options: GruOptions = {}): GruLayer {
  return new GruLayer(units, options);
}

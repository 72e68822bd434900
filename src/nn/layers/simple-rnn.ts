import { recurrentFamily } from "../../backend/families/recurrent.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Address, Argument } from "../value.js";
import { RecurrentLayer } from "./recurrent.js";
import type { RecurrentOptions } from "./recurrent-options.js";
import type { SequenceState } from "./sequence-run.js";

/** Options of `simpleRnn`. */
export type SimpleRnnOptions = RecurrentOptions;

/** What `simpleRnn` makes. */
export class SimpleRnnLayer extends RecurrentLayer {
  readonly kind = "simpleRnn";
  readonly gates = 1;
  readonly states = ["state"];

  constructor(units: number, options: SimpleRnnOptions) {
    super(units, options, []);
  }

  protected override emit(
    builder: PlanBuilder,
    { rows, gates, states, mask, scratch }: SequenceState,
    initial: readonly Argument[],
    final: readonly Argument[],
    output: Address,
  ): (dOutput: Address, dInitial: readonly Argument[]) => void {
    const blocks = [...rows, gates, states, mask];
    builder.call(recurrentFamily, "simple_rnn_forward_f32", [...blocks, ...initial, ...final, output, scratch]);
    return (dOutput, dInitial) => {
      builder.call(recurrentFamily, "simple_rnn_backward_f32", [...blocks, dOutput, 0, ...dInitial, scratch]);
    };
  }
}

/**
 * A simple recurrent (Elman) network: for each step h ← tanh(x·W + h·U + b), with h from the one before it, at first zeros.
 *
 * x [steps, features] becomes the last h, [units], or with `returnSequences` every h, [steps, units]. Parameters:
 * `kernel` W [features, units], `recurrent` U [units, units], `bias` b [units]. Further inputs: a mask [steps] with
 * `masked`; an initial h, [units]. Order of sums and independence of threads as in `lstm`.
 *
 * @param units width of h, >= 1
 * @param options see `SimpleRnnOptions`
 * @throws OptionError
 * @example
 * const model = new Sequential(core, [simpleRnn(16), dense(1)], { inputShape: [20, 3] });
 * @see Elman, "Finding Structure in Time" (1990); layout and defaults are those of Keras 3
 */
export function simpleRnn(units: number, options: SimpleRnnOptions = {}): SimpleRnnLayer {
  return new SimpleRnnLayer(units, options);
}

import { ACTIVATION } from "../../backend/backend.js";
import { nnFamily } from "../../backend/families/nn.js";
import { reduceFamily } from "../../backend/families/reduce.js";
import { ShapeError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Address, Argument, Value } from "../value.js";

/** One pass over a sequence, in one direction. */
export interface SequenceRun {
  /** Time-major: [steps, rows, inputs]. */
  readonly x: Value;
  readonly steps: number;
  readonly inputs: number;
  /** [rows, steps], or 0. */
  readonly mask: Argument;
  /** Initial states, in the order of the layer's inputs; none: zeros, or what is carried. */
  readonly initial: readonly Value[];
  readonly reverse: boolean;
  readonly zeroMasked: boolean;
  /** Output of the first computed step. */
  outputAt(output: Value): Address;
  /** Elements from row to row of the output, and from step to step in the order of computation. */
  readonly outputRow: number;
  readonly outputStep: number;
}

/** What the forward pass of one direction leaves to the backward pass. */
export interface SequenceState extends SequenceRun {
  /** Address of the description, rows, units, steps and U: what every kernel's arguments begin with. */
  readonly rows: readonly Argument[];
  /** [steps, rows, gates·units]: x·W + b, then what the kernel leaves, then the gradients of x·W + b. */
  readonly gates: Value;
  /** [steps + 1, rows, units]; the state before each step is at `before`, also time-major. */
  readonly states: Value;
  readonly before: Address;
  /** [steps, rows, units]: of an LSTM φ(c), of a GRU what the candidate takes from h, and then its gradient. */
  readonly extra: Value;
  readonly kernel: Value;
  readonly recurrent: Value;
  readonly bias: Value | undefined;
  readonly scratch: Argument;
}

/** Emits sums over rows, each column's in ascending order. */
export function sumRows(builder: PlanBuilder, rows: number, columns: number, x: Value, sums: Argument): void {
  builder.call(nnFamily, "activation_backward_f32", [ACTIVATION.identity, rows, columns, x, x, x, sums]);
}

/** x [rows, steps, features] as [steps, rows, features], so that the rows of a step are neighbors. */
export function timeMajor(builder: PlanBuilder, x: Value): Value {
  const [steps, features] = x.shape as [number, number];
  const { rows } = builder;
  if (rows === 1 || steps === 1) return x;
  const y = builder.value(x.shape);
  builder.call(reduceFamily, "transpose_f32", [1, rows, steps, features, x, y]);
  builder.backward(y, (dy) => {
    const dx = builder.gradient(x);
    if (dx) builder.call(reduceFamily, "transpose_f32", [1, steps, rows, features, dy, dx]);
  });
  return y;
}

/** The number of steps of x; throws ShapeError unless it is a sequence, and has its mask beside it if it needs one. */
export function checkSequence(kind: string, x: Shape, masked: boolean, others: readonly Shape[]): number {
  if (x.length !== 2) throw new ShapeError(`${kind} was applied to shape [${x}], expected [steps, features]`);
  const steps = x[0]!;
  if (masked && String(others[0]) !== String([steps])) {
    const given = others[0] === undefined ? "without a mask" : `to a mask of shape [${others[0]}]`;
    throw new ShapeError(`${kind} is masked and was applied ${given}, expected a second input of shape [${steps}]`);
  }
  return steps;
}

import { ACTIVATION } from "../backend/backend.js";
import type { EmittedCall, EmittedCalls } from "./plan-builder.js";
import { type Argument, rootOf, Value, valueIn } from "./value.js";

/** Kernels that can apply relu to what they write: which argument says so, and which one is the output. */
const APPLIES_RELU: Readonly<Record<string, { activation: number; output: number }>> = {
  gemm_f32: { activation: 18, output: 14 },
  conv2d_f32: { activation: 6, output: 7 },
  conv2d_backward_input_f32: { activation: 6, output: 7 },
  depthwise_conv2d_f32: { activation: 6, output: 7 },
};

/**
 * Merges neighboring calls where one kernel does the work of two with the same bits: a relu into the product before it,
 * and the sums of a bias's gradient into the backward pass of the activation before it.
 *
 * @param kept values that are read after the calls
 */
export function fuse(calls: EmittedCalls, kept: ReadonlySet<Value>): void {
  const uses = countUses(calls);
  const read = new Set([...kept].map(rootOf));
  mergeNeighbors(calls.forward, (first, second) => {
    const output = APPLIES_RELU[first.kernel];
    if (output === undefined || second.kernel !== "activation_f32") return undefined;
    const [activation, , x, y] = second.args;
    const between = whole(first.args[output.output]);
    const isOnlyReader = between !== undefined && between === whole(x) && uses.get(between) === 2 && !read.has(between);
    if (activation !== ACTIVATION.relu || !isOnlyReader || first.args[output.activation] !== ACTIVATION.identity) {
      return undefined;
    }
    const args = [...first.args];
    args[output.activation] = ACTIVATION.relu;
    args[output.output] = y!;
    return { ...first, args };
  });
  mergeNeighbors(calls.backward, (first, second) => {
    const isPair = first.kernel === "activation_backward_f32" && second.kernel === "activation_backward_f32";
    if (!isPair || second.args[0] !== ACTIVATION.identity || first.args[6] !== 0) return undefined;
    const dx = first.args[5]!;
    if (whole(dx) === undefined || whole(dx) !== whole(second.args[4])) return undefined;
    const [activation, , , y, dy] = first.args;
    const [, rows, columns, , , , sums] = second.args;
    return { ...first, args: [activation!, rows!, columns!, y!, dy!, dx, sums!] };
  });
}

/** Replaces each pair of neighbors for which `merge` returns a call. */
function mergeNeighbors(
  calls: EmittedCall[],
  merge: (first: EmittedCall, second: EmittedCall) => EmittedCall | undefined,
): void {
  for (let i = 0; i + 1 < calls.length; i++) {
    const merged = merge(calls[i]!, calls[i + 1]!);
    if (merged !== undefined) calls.splice(i, 2, merged);
  }
}

/** The value whose memory an argument is the start of; a view has all of it. */
function whole(arg: Argument | undefined): Value | undefined {
  return arg instanceof Value ? rootOf(arg) : undefined;
}

/** How many arguments name each value, or a view of it. */
function countUses({ forward, loss, backward }: EmittedCalls): Map<Value, number> {
  const uses = new Map<Value, number>();
  for (const { args } of [...forward, ...loss, ...backward]) {
    for (const arg of args) {
      const value = valueIn(arg);
      if (value === undefined) continue;
      const root = rootOf(value);
      uses.set(root, (uses.get(root) ?? 0) + 1);
    }
  }
  return uses;
}

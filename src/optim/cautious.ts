import {
  FORM_MOMENTUM,
  FORM_NESTEROV,
  FORM_RATE_LAST,
  GROUP_CLIP_NORM,
  GROUP_CLIP_VALUE,
  GROUP_EPS_OUTSIDE,
  GROUP_MOMENTUM,
  MODE_COUPLED_DECAY,
  MODE_DECAY_FACTOR,
  MODE_DECOUPLED_DECAY,
  MODE_MAXIMIZE,
  SEGMENT_SCALARS,
} from "../abi/step-table.js";
import { unexpected } from "../checks.js";
import { OptionError } from "../errors.js";
import { Optimizer } from "./optimizer.js";
import type { Gradients } from "./parameters.js";
import { separateRows } from "./separate-rows.js";
import type { Slot } from "./slots.js";

const f = Math.fround;

/** A step of one parameter that was made: its state is the new one. */
interface Made {
  readonly slot: Slot;
  /** The count of its steps before. */
  readonly iterations: number;
  /** Its learning rate, not rounded, and a word of its group, rounded. */
  readonly rate: number;
  word(word: number): number;
  /** A state array, by index. */
  state(k: number): Float32Array;
}

/** What an optimizer adds to a parameter: of the direction, element by element, after the mask. */
interface Descent {
  /** The direction. `undefined`: there is none to compare with the gradient, and the step is as it was. */
  direction(made: Made, g: Float32Array): Float32Array | undefined;
  /** What is subtracted from element i, of what is left of the direction there. */
  increment(made: Made): (d: number, i: number) => number;
}

const MOMENTUM: Descent = {
  direction: ({ slot, state, word }, g) => {
    const { form } = slot.group.hyper;
    if (!(form & FORM_MOMENTUM)) return undefined;
    const b = state(0);
    const momentum = word(GROUP_MOMENTUM);
    return form & FORM_NESTEROV ? g.map((x, i) => x + f(momentum * b[i]!)) : b;
  },
  increment:
    ({ rate }) =>
    (d) =>
      f(rate) * d,
};

const ADAM: Descent = {
  direction: ({ state }) => state(1),
  increment: ({ slot, iterations, rate, state, word }) => {
    const scalars = new Float64Array(SEGMENT_SCALARS + 1);
    const { size, rows, columns, started, memory, group } = slot;
    const of = { iterations, size, rows, columns, started, memory };
    group.hyper.stepScalars!(of, scalars, Float64Array.of(rate), 0);
    const [correction, step] = [f(scalars[0]!), f(scalars[1]!)];
    const v = state(slot.needs(2) ? 2 : 0);
    const eps = word(GROUP_EPS_OUTSIDE);
    return (d, i) => f(step * d) / f(f(f(Math.sqrt(v[i]!)) / correction) + eps);
  },
};

const DESCENTS: Readonly<Record<string, Descent>> = {
  SGD: MOMENTUM,
  Adam: ADAM,
  AdamW: ADAM,
  RMSProp: {
    direction: ({ slot, state }) => (slot.group.hyper.form & FORM_MOMENTUM ? state(2) : undefined),
    increment:
      ({ slot, rate }) =>
      (d) =>
        slot.group.hyper.form & FORM_RATE_LAST ? f(rate) * d : d,
  },
};

/**
 * A cautious step: where the direction of a step and the gradient differ in sign, the parameter stays, and the other
 * elements move further, by the inverse of their share of the parameter, at most 1,000 times:
 *
 * ```
 * mask ← d·g > 0          d ← d·(mask / max(mean(mask), 1e-3))
 * ```
 *
 * d is the momentum buffer of `RMSProp` and `SGD` (with Nesterov g + μ·b), and m of `Adam` and `AdamW`; g has its weight
 * decay. Without momentum it is an ordinary step. State is the same as after `step`. timm's `caution=True`, with its
 * bits: `RMSProp` with dialect `"timm"`, `SGD` without weight decay, `Adam` and `AdamW`.
 *
 * Cost: `step`, a copy of the parameters, and a loop in JavaScript over every element.
 *
 * @param optimizer an RMSProp with dialect `"timm"` or none and without Nesterov, SGD, Adam or AdamW; without
 *   accumulation, averages and clipping, for which `clipGradientNorm` and its like are called before
 * @param grads as for `optimizer.step`, but no rows
 * @throws OptionError for another optimizer; what `step` throws. Parameters and state are then what they were
 * @example
 * stepCautiously(optimizer, { w: gradient });
 * @see Liang et al., Cautious Optimizers: Improving Training with One Line of Code (2024); timm timm/optim/rmsprop_tf.py
 */
export function stepCautiously(optimizer: Optimizer, grads: Gradients): void {
  if (!(optimizer instanceof Optimizer)) throw unexpected("optimizer", optimizer, "an optimizer of lanewise");
  const { optimizer: name, dialect = "lanewise", groups, accumulationSteps } = optimizer.description();
  const descent = DESCENTS[name];
  if (descent === undefined || (name === "RMSProp" && dialect !== "lanewise" && dialect !== "timm")) {
    const what = name === "RMSProp" ? `RMSProp with dialect "${dialect}"` : name;
    throw new OptionError(
      `optimizer is ${what}, expected SGD, Adam, AdamW, or RMSProp with dialect "timm" or "lanewise"`,
    );
  }
  if (accumulationSteps !== undefined) throw has("accumulationSteps");
  if (separateRows(grads) !== undefined) {
    throw new OptionError("grads has rows, for which there is no cautious step, expected whole gradients");
  }
  const { slots } = optimizer;
  for (const { group } of slots) {
    const { average, form } = group.hyper;
    if (average !== undefined) throw has("emaDecay");
    if (name === "RMSProp" && form & FORM_NESTEROV) throw has("nesterov");
    if (wordOf(group.hyper.scalars, GROUP_CLIP_VALUE) < Number.POSITIVE_INFINITY) throw has("clipValue");
    if (wordOf(group.hyper.scalars, GROUP_CLIP_NORM) < Number.POSITIVE_INFINITY) throw has("clipNorm");
  }
  const before = slots.map((slot) => ({ slot, iterations: slot.iterations, parameter: slot.elements().slice() }));
  optimizer.step(grads);
  for (const { slot, iterations, parameter } of before) {
    if (slot.iterations === iterations) continue;
    const rate = groups[slot.group.index]!.options.learningRate as number;
    revise(optimizer, descent, parameter, { slot, iterations, rate });
  }
}

function has(option: string): OptionError {
  return new OptionError(`optimizer has ${option}, expected none for stepCautiously`);
}

function wordOf(scalars: Slot["group"]["hyper"]["scalars"], word: number): number {
  return f(scalars.find(([key]) => key === word)?.[1] ?? 0);
}

/** Gives a parameter the value that the cautious step makes of the one it had. */
function revise(
  { core }: Optimizer,
  { direction, increment }: Descent,
  parameter: Float32Array,
  { slot, iterations, rate }: Pick<Made, "slot" | "iterations" | "rate">,
): void {
  const { mode, scalars, weightDecay } = slot.group.hyper;
  const made: Made = {
    slot,
    iterations,
    rate,
    word: (word) => wordOf(scalars, word),
    state: (k) => slot.state(core, k)!,
  };
  const g = new Float32Array(core.linearMemory.buffer, slot.gradPtr, slot.size).slice();
  if (mode & MODE_MAXIMIZE) for (let i = 0; i < g.length; i++) g[i] = -g[i]!;
  const decay = f(weightDecay);
  if (mode & MODE_COUPLED_DECAY) for (let i = 0; i < g.length; i++) g[i]! += f(decay * parameter[i]!);
  const d = direction(made, g);
  if (d === undefined) return;
  let agreeing = 0;
  for (let i = 0; i < g.length; i++) if (f(d[i]! * g[i]!) > 0) agreeing++;
  const factor = f(1 / Math.max(f(agreeing / g.length), f(1e-3)));
  const own = f(rate * weightDecay);
  const kept = f(1 - rate * weightDecay);
  const subtracted = increment(made);
  const to = slot.elements();
  for (let i = 0; i < g.length; i++) {
    let p = parameter[i]!;
    if (mode & MODE_DECOUPLED_DECAY) p = mode & MODE_DECAY_FACTOR ? f(p * kept) : f(p - f(own * p));
    const masked = f(d[i]! * (f(d[i]! * g[i]!) > 0 ? factor : 0));
    to[i] = p - f(subtracted(masked, i));
  }
}

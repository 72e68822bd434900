import { expect } from "vitest";
import { GATE_ACTIVATION, SEQUENCE, SEQUENCE_BYTES } from "../../src/backend/sequences.js";
import { type Bounded, Tape } from "./bounded.js";
import type { Operands } from "./conformance.js";
import { randomValues } from "./random.js";

export type Cell = "lstm" | "gru" | "gruBefore" | "rnn";

/** One case of the recurrent kernels. */
export interface RecurrentCase {
  cell: Cell;
  batch: number;
  steps: number;
  units: number;
  reverse?: boolean;
  everyStep?: boolean;
  /** 0 where a step is left out, [batch, steps]. */
  mask?: number[];
  zeroMasked?: boolean;
  states?: boolean;
  bias?: boolean;
  activation?: keyof typeof GATE_ACTIVATION;
  recurrentActivation?: keyof typeof GATE_ACTIVATION;
  slope?: number;
  /** Elements between rows of the output beside its own. */
  gap?: number;
  seed?: number;
}

export const gatesOf = (cell: Cell) => ({ lstm: 4, gru: 3, gruBefore: 3, rnn: 1 })[cell];

/** The description of the case's sequence, as the words that kernels read. */
export function description(test: RecurrentCase): Float32Array {
  const { cell, batch, steps, units, everyStep = true, gap = 0 } = test;
  const words = new Float32Array(SEQUENCE_BYTES / 4);
  const integers = new Int32Array(words.buffer);
  const row = units + gap;
  integers[SEQUENCE.batch] = batch;
  integers[SEQUENCE.activation] = GATE_ACTIVATION[test.activation ?? "tanh"];
  integers[SEQUENCE.recurrentActivation] = GATE_ACTIVATION[test.recurrentActivation ?? "sigmoid"];
  words[SEQUENCE.slope] = test.slope ?? 1 / 6;
  integers[SEQUENCE.reverse] = test.reverse ? 1 : 0;
  integers[SEQUENCE.everyStep] = everyStep ? 1 : 0;
  integers[SEQUENCE.outputRow] = everyStep ? steps * row : row;
  integers[SEQUENCE.outputStep] = everyStep ? (test.reverse ? -row : row) : 0;
  integers[SEQUENCE.resetAfter] = cell === "gru" ? 1 : 0;
  integers[SEQUENCE.zeroMasked] = test.zeroMasked ? 1 : 0;
  return words;
}

/** Where the output of step 0 in the order of computation begins, in elements. */
export function outputStart(test: RecurrentCase): number {
  const { steps, units, reverse, everyStep = true, gap = 0 } = test;
  return everyStep && reverse && steps > 0 ? (steps - 1) * (units + gap) : 0;
}

/** Random operands of a case; what kernels write is filled with 7. */
export function operandsOf(test: RecurrentCase, scale = 1): Operands {
  const { cell, batch, steps, units, everyStep = true, gap = 0, seed = 1 } = test;
  const gates = gatesOf(cell);
  const state = batch * units;
  const filled = (length: number) => new Float32Array(length).fill(7);
  const output = batch * (everyStep ? steps : 1) * (units + gap);
  return {
    sequence: description(test),
    recurrent: randomValues(units * gates * units, seed + 1, scale / Math.sqrt(units)),
    bias: randomValues(3 * units, seed + 2, scale),
    gates: randomValues(steps * batch * gates * units, seed + 3, 2 * scale),
    states: filled((steps + 1) * state),
    cells: filled((steps + 1) * state),
    extra: filled(steps * state),
    mask: Float32Array.from(test.mask ?? []),
    h0: randomValues(state, seed + 4, scale),
    c0: randomValues(state, seed + 5, scale),
    hEnd: filled(state),
    cEnd: filled(state),
    output: filled(output),
    dOutput: randomValues(output, seed + 6, scale),
    dhEnd: randomValues(state, seed + 7, scale),
    dcEnd: randomValues(state, seed + 8, scale),
    dh0: filled(state),
    dc0: filled(state),
  };
}

/** What the tape found: nodes by the element that they belong to. */
export interface Reference {
  tape: Tape;
  inputs: Bounded[];
  recurrent: Bounded[];
  h0: Bounded[];
  c0: Bounded[];
  outputs: { node: Bounded; at: number }[];
  hEnd: Bounded[];
  cEnd: Bounded[];
}

/** The forward pass, from its formula, in float64 with bounds; `given` nodes take the place of operands. */
export function reference(
  test: RecurrentCase,
  operands: Operands,
  tape = new Tape(),
  given: { inputs?: Bounded[]; recurrent?: Bounded[]; bias?: Bounded[]; states?: Bounded[][] } = {},
): Reference {
  const { cell, batch, steps, units, everyStep = true, states = true, bias = true, gap = 0 } = test;
  const leaves = (name: string) => Array.from(operands[name]!, (value) => tape.leaf(value));
  const zeros = () => Array.from({ length: batch * units }, () => tape.leaf(0));
  const n = gatesOf(cell);
  const inputs = given.inputs ?? leaves("gates");
  const recurrent = given.recurrent ?? leaves("recurrent");
  const biases = given.bias ?? leaves("bias");
  const h0 = given.states?.[0] ?? (states ? leaves("h0") : zeros());
  const c0 = given.states?.[1] ?? (states ? leaves("c0") : zeros());
  const slope = Math.fround(test.slope ?? 1 / 6);
  const activate = (kind: string) => (x: Bounded) => {
    if (kind === "hardSigmoid") return tape.hardSigmoid(x, slope);
    if (kind === "linear") return x;
    return tape[kind as "tanh" | "sigmoid" | "relu"](x);
  };
  const phi = activate(test.activation ?? "tanh");
  const sigma = activate(test.recurrentActivation ?? "sigmoid");
  const one = tape.leaf(1);
  const outputs: { node: Bounded; at: number }[] = [];
  const hEnd: Bounded[] = [];
  const cEnd: Bounded[] = [];
  for (let b = 0; b < batch; b++) {
    let h = h0.slice(b * units, (b + 1) * units);
    let c = c0.slice(b * units, (b + 1) * units);
    let y = Array.from({ length: units }, () => tape.leaf(0));
    for (let s = 0; s < steps; s++) {
      const t = test.reverse ? steps - 1 - s : s;
      if (test.mask?.[b * steps + t] !== 0) {
        const state = h;
        const at = (t * batch + b) * n * units;
        const product = (x: Bounded[], column: number) => {
          let sum = tape.leaf(0);
          for (let p = 0; p < units; p++) {
            sum = tape.add(sum, tape.multiply(x[p]!, recurrent[p * n * units + column]!));
          }
          return sum;
        };
        const pre = (column: number) => tape.add(inputs[at + column]!, product(state, column));
        const next: Bounded[] = [];
        if (cell === "lstm") {
          const cells: Bounded[] = [];
          for (let j = 0; j < units; j++) {
            const i = sigma(pre(j));
            const f = sigma(pre(units + j));
            const g = phi(pre(2 * units + j));
            const o = sigma(pre(3 * units + j));
            cells.push(tape.add(tape.multiply(f, c[j]!), tape.multiply(i, g)));
            next.push(tape.multiply(o, phi(cells[j]!)));
          }
          c = cells;
        } else if (cell === "rnn") {
          for (let j = 0; j < units; j++) next.push(phi(pre(j)));
        } else {
          const inner = (column: number) => {
            const sum = product(state, column);
            return bias && cell === "gru" ? tape.add(sum, biases[column]!) : sum;
          };
          const gate = (column: number) => sigma(tape.add(inputs[at + column]!, inner(column)));
          const z = Array.from({ length: units }, (_, j) => gate(j));
          const r = Array.from({ length: units }, (_, j) => gate(units + j));
          const reset = state.map((value, j) => tape.multiply(r[j]!, value));
          for (let j = 0; j < units; j++) {
            const column = 2 * units + j;
            const recurrentPart = cell === "gru" ? tape.multiply(r[j]!, inner(column)) : product(reset, column);
            const g = phi(tape.add(inputs[at + column]!, recurrentPart));
            const kept = tape.multiply(z[j]!, state[j]!);
            next.push(tape.add(kept, tape.multiply(tape.subtract(one, z[j]!), g)));
          }
        }
        h = next;
        y = next;
      } else if (test.zeroMasked) y = y.map(() => tape.leaf(0));
      const row = units + gap;
      if (everyStep) for (let j = 0; j < units; j++) outputs.push({ node: y[j]!, at: (b * steps + t) * row + j });
      else if (s + 1 === steps) for (let j = 0; j < units; j++) outputs.push({ node: y[j]!, at: b * row + j });
    }
    hEnd.push(...h);
    cEnd.push(...c);
  }
  return { tape, inputs, recurrent, h0, c0, outputs, hEnd, cEnd };
}

export function expectWithin(actual: number, value: number, error: number, what: string): void {
  if (!(Math.abs(actual - value) <= error)) expect.fail(`${what} is ${actual}, expected ${value} ± ${error}`);
}

import { GATE_ACTIVATION, SEQUENCE, SEQUENCE_BYTES } from "../../src/backend/sequences.js";
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

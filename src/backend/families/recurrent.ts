import type { Cut, KernelArguments, KernelFamily, Operand } from "../family.js";
import { gruKernels } from "../js/recurrent/gru.js";
import { lstmKernels } from "../js/recurrent/lstm.js";
import { recurrentScratchBytes } from "../js/recurrent/sequence.js";
import { simpleRnnKernels } from "../js/recurrent/simple-rnn.js";
import { GATE_ACTIVATION, SEQUENCE, SEQUENCE_BYTES } from "../sequences.js";
import { binary } from "../wasm/binaries/recurrent.js";

/**
 * Recurrent networks. A call computes all steps of `count` rows of a batch from row `first` on; `sequencePtr` is the
 * address of a description (../sequences.ts). Blocks between forward and backward are time-major; masks, outputs and their
 * gradients are [batch, steps, …]. Addresses of masks, states, outputs and their gradients may be 0: absent.
 */
export interface RecurrentKernels {
  /** Gates i, f, g, o from x·W + b, cells, φ(cells) and states of an LSTM; the output and the final states. */
  lstm_forward_f32(
    sequencePtr: number,
    first: number,
    count: number,
    units: number,
    steps: number,
    recurrentPtr: number,
    gatesPtr: number,
    statesPtr: number,
    cellsPtr: number,
    activatedPtr: number,
    maskPtr: number,
    initialStatePtr: number,
    initialCellPtr: number,
    finalStatePtr: number,
    finalCellPtr: number,
    outputPtr: number,
    scratchPtr: number,
  ): void;
  /** Replaces the gates by the gradients of their pre-activations; the gradients of the initial states. */
  lstm_backward_f32(
    sequencePtr: number,
    first: number,
    count: number,
    units: number,
    steps: number,
    recurrentPtr: number,
    gatesPtr: number,
    cellsPtr: number,
    activatedPtr: number,
    maskPtr: number,
    dOutputPtr: number,
    dFinalStatePtr: number,
    dFinalCellPtr: number,
    dInitialStatePtr: number,
    dInitialCellPtr: number,
    scratchPtr: number,
  ): void;
  /** Gates z, r, g from x·W + b, candidates and states of a GRU; the output and the final state. */
  gru_forward_f32(
    sequencePtr: number,
    first: number,
    count: number,
    units: number,
    steps: number,
    recurrentPtr: number,
    biasPtr: number,
    gatesPtr: number,
    statesPtr: number,
    candidatesPtr: number,
    maskPtr: number,
    initialStatePtr: number,
    finalStatePtr: number,
    outputPtr: number,
    scratchPtr: number,
  ): void;
  /** Replaces the gates, and with resetAfter the candidates, by their gradients; the gradient of the initial state. */
  gru_backward_f32(
    sequencePtr: number,
    first: number,
    count: number,
    units: number,
    steps: number,
    recurrentPtr: number,
    gatesPtr: number,
    statesPtr: number,
    candidatesPtr: number,
    maskPtr: number,
    dOutputPtr: number,
    dFinalStatePtr: number,
    dInitialStatePtr: number,
    scratchPtr: number,
  ): void;
  /** States of a simple network from x·W + b; the output and the final state. */
  simple_rnn_forward_f32(
    sequencePtr: number,
    first: number,
    count: number,
    units: number,
    steps: number,
    recurrentPtr: number,
    gatesPtr: number,
    statesPtr: number,
    maskPtr: number,
    initialStatePtr: number,
    finalStatePtr: number,
    outputPtr: number,
    scratchPtr: number,
  ): void;
  /** Replaces x·W + b by its gradient; the gradient of the initial state. */
  simple_rnn_backward_f32(
    sequencePtr: number,
    first: number,
    count: number,
    units: number,
    steps: number,
    recurrentPtr: number,
    gatesPtr: number,
    statesPtr: number,
    maskPtr: number,
    dOutputPtr: number,
    dFinalStatePtr: number,
    dInitialStatePtr: number,
    scratchPtr: number,
  ): void;
  /** Bytes of scratch for `count` rows; gates: 4 for LSTM, 3 for GRU, 1 for a simple network. */
  recurrent_scratch_bytes(count: number, units: number, gates: number): number;
}

/** Rows of a tile: where threads cut. */
const GRAIN = 4;

/** assembly/recurrent/scratch.ts: what one thread needs. */
function scratchBytes(count: number, units: number, gates: number): number {
  const rows = Math.min(count, 96);
  const padded = (units + 15) & ~15;
  const packed = gates * units * (padded + rows + 6);
  const sums = rows * (gates * units + (gates + 2) * padded) + 2 * count * padded;
  return 128 + 4 * (packed + sums + units + count);
}

const sequenceWord = (args: KernelArguments, words: Int32Array, name: keyof typeof SEQUENCE) =>
  words[(args[0]! >>> 2) + SEQUENCE[name]]!;

/** The rows of a call in every step of a time-major block, each `gates`·units numbers; states have a step more. */
const timeMajor = (argument: number, gates = 1, more = 0): Operand => ({
  argument,
  use: "update",
  offset: (args) => 4 * args[1]! * gates * args[3]!,
  rows: (args) => args[4]! + more,
  stride: (args, words) => 4 * sequenceWord(args, words, "batch") * gates * args[3]!,
  bytes: (args) => 4 * args[2]! * gates * args[3]!,
});

/** The rows of a call in a block [batch, units]. */
const ofRows = (argument: number): Operand => ({
  argument,
  use: "write",
  offset: (args) => 4 * args[1]! * args[3]!,
  bytes: (args) => 4 * args[2]! * args[3]!,
});

/** The output: of each row, every step or the last computed one. */
const output = (argument: number): Operand => ({
  argument,
  use: "write",
  offset: (args, words) => {
    const step = sequenceWord(args, words, "outputStep");
    const isLast = step < 0 || sequenceWord(args, words, "everyStep") === 0;
    return 4 * (args[1]! * sequenceWord(args, words, "outputRow") + (isLast ? (args[4]! - 1) * step : 0));
  },
  blocks: (args) => args[2]!,
  blockStride: (args, words) => 4 * sequenceWord(args, words, "outputRow"),
  rows: (args, words) => (sequenceWord(args, words, "everyStep") === 0 ? Math.min(args[4]!, 1) : args[4]!),
  stride: (args, words) => 4 * Math.abs(sequenceWord(args, words, "outputStep")),
  bytes: (args) => 4 * args[3]!,
});

/** Threads share the rows of a batch: a row needs no other, so a call of many steps is one job. */
function byRows(gates: number, scratch: number, ...written: readonly Operand[]): Cut {
  return {
    count: 2,
    steps: { 1: 1 },
    grain: GRAIN,
    operands: [{ argument: 0, use: "read", bytes: () => SEQUENCE_BYTES }, ...written],
    work: (args: KernelArguments) => args[2]! * args[4]! * gates * args[3]! * (args[3]! + 8),
    scratch: { argument: scratch, bytes: (args: KernelArguments) => scratchBytes(args[2]!, args[3]!, gates) },
  };
}

export const recurrentFamily: KernelFamily<RecurrentKernels> = {
  name: "recurrent",
  binary,
  js: (views) => ({
    ...lstmKernels(views),
    ...gruKernels(views),
    ...simpleRnnKernels(views),
    recurrent_scratch_bytes: recurrentScratchBytes,
  }),
  warmUp(kernels, memory) {
    const [units, steps, batch] = [28, 2, 9];
    const sequence = 64;
    const words = new Uint32Array(memory.buffer);
    words[sequence / 4 + SEQUENCE.batch] = batch;
    words[sequence / 4 + SEQUENCE.activation] = GATE_ACTIVATION.tanh;
    words[sequence / 4 + SEQUENCE.recurrentActivation] = GATE_ACTIVATION.sigmoid;
    words[sequence / 4 + SEQUENCE.everyStep] = 1;
    words[sequence / 4 + SEQUENCE.outputRow] = steps * units;
    words[sequence / 4 + SEQUENCE.outputStep] = units;
    // Regions of 24 KiB, and the rest as scratch.
    const region = (i: number) => 1024 + i * 24576;
    const [gates, h, c, t, y, dh, scratch] = [
      region(1),
      region(2),
      region(3),
      region(4),
      region(5),
      region(6),
      region(7),
    ];
    const rows = [sequence, 0, batch, units, steps, region(0)] as const;
    kernels.lstm_forward_f32(...rows, gates, h, c, t, 0, 0, 0, 0, 0, y, scratch);
    kernels.lstm_backward_f32(...rows, gates, c, t, 0, y, 0, 0, dh, 0, scratch);
    for (const resetAfter of [1, 0]) {
      words[sequence / 4 + SEQUENCE.resetAfter] = resetAfter;
      kernels.gru_forward_f32(...rows, 0, gates, h, c, 0, 0, 0, y, scratch);
      kernels.gru_backward_f32(...rows, gates, h, c, 0, y, 0, dh, scratch);
    }
    kernels.simple_rnn_forward_f32(...rows, gates, h, 0, 0, 0, y, scratch);
    kernels.simple_rnn_backward_f32(...rows, gates, h, 0, y, 0, dh, scratch);
  },
  shared: {
    lstm_forward_f32: byRows(
      4,
      16,
      timeMajor(6, 4),
      timeMajor(7, 1, 1),
      timeMajor(8, 1, 1),
      timeMajor(9),
      ofRows(13),
      ofRows(14),
      output(15),
    ),
    lstm_backward_f32: byRows(4, 15, timeMajor(6, 4), ofRows(13), ofRows(14)),
    gru_forward_f32: byRows(3, 14, timeMajor(7, 3), timeMajor(8, 1, 1), timeMajor(9), ofRows(12), output(13)),
    gru_backward_f32: byRows(3, 13, timeMajor(6, 3), timeMajor(8), ofRows(12)),
    simple_rnn_forward_f32: byRows(1, 12, timeMajor(6), timeMajor(7, 1, 1), ofRows(10), output(11)),
    simple_rnn_backward_f32: byRows(1, 12, timeMajor(6), ofRows(11)),
  },
};

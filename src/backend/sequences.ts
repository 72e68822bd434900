// The description of a sequence, in 32-bit words; assembly/recurrent/sequence.ts has the same and says what
// each field means. A plan writes it, the kernels of the recurrent family read it.

/** Words of the description. `slope` is a float32, `outputStep` is signed, the others are unsigned. */
export const SEQUENCE = {
  batch: 0,
  activation: 1,
  recurrentActivation: 2,
  slope: 3,
  reverse: 4,
  everyStep: 5,
  outputRow: 6,
  outputStep: 7,
  resetAfter: 8,
  zeroMasked: 9,
} as const;

/** Bytes of a description. */
export const SEQUENCE_BYTES = 40;

/** Ids of the activations of recurrent kernels, shared with assembly/recurrent/activation.ts. */
export const GATE_ACTIVATION = { linear: 0, relu: 1, tanh: 2, sigmoid: 3, hardSigmoid: 4 } as const;

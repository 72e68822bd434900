// The layout of the segment table, in 32-bit words; assembly/optim/segments.ts holds the same and says what each
// field means. The facade writes the table, the kernels walk it.

/** Words of a parameter's row. */
export const SEGMENT = {
  param: 0,
  grad: 1,
  count: 2,
  group: 3,
  state: 4,
  correction0: 8,
  correction1: 9,
  gradScale: 10,
} as const;

/** Bytes from one row to the next. */
export const SEGMENT_BYTES = 64;

/** Words of a group's block of hyper-parameters. */
export const GROUP = {
  mode: 0,
  learningRate: 1,
  weightDecay: 2,
  decoupledDecay: 3,
  clipValue: 4,
  clipNorm: 5,
  decay: 6,
  decayComplement: 7,
  epsInside: 8,
  epsOutside: 9,
  momentum: 10,
  meanDecay: 11,
  meanDecayComplement: 12,
} as const;

/** Bytes of a group's block. */
export const GROUP_BYTES = 128;

/** Bits of a group's mode. */
export const MODE = {
  rescale: 1,
  maximize: 2,
  coupledDecay: 4,
  decoupledDecay: 8,
  measure: 16,
  clipNorm: 32,
  clipGlobalNorm: 64,
  momentum: 128,
  nesterov: 256,
  centered: 512,
  biasCorrection: 1024,
  epsOutside: 2048,
  epsRatio: 4096,
  /** Any of the three that change the gradient or the parameter before the optimizer's own formula. */
  condition: 1 | 4 | 8,
} as const;

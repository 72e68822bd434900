// The table that describes a step: one row per parameter, one group block per set of hyper-parameters.
// The facade writes both (src/optim/segments.ts mirrors the layout); kernels read them, and write `gradScale` alone.
// Scalars come derived in double and rounded once: no kernel computes 1 − ρ.

/** A parameter's row: 64 bytes, of which the fields below are used. */
@unmanaged
export class Segment {
  paramPtr!: u32;
  /** 0: no gradient in this step; the row is passed over and its state left alone. */
  gradPtr!: u32;
  /** Elements of the parameter, of its gradient and of each of its state arrays. */
  count!: u32;
  /** Its group block. */
  groupPtr!: u32;
  /**
   * State arrays, absent ones 0. RMSProp: squareAverage, gradientAverage, momentumBuffer. SGD: momentumBuffer. The last
   * one is every optimizer's parameterAverage.
   */
  state0Ptr!: u32;
  state1Ptr!: u32;
  state2Ptr!: u32;
  state3Ptr!: u32;
  /**
   * Factors that depend on how many steps this parameter has taken. RMSProp: 1/(1 − decay^t), 1/(1 − meanDecay^t).
   * SGD: what the gradient enters the momentum buffer with: 1 in the first step, then 1 − dampening.
   */
  correction0!: f32;
  correction1!: f32;
  /** The factor of norm clipping, negative to maximize. Written by `measure`. */
  gradScale!: f32;
  /** What the average of the parameter is multiplied by, 0 in the first step, and the parameter's own weight in it. */
  averageDecay!: f32;
  averageComplement!: f32;
  /** Sum of the gradients since the last update; 0 where each step is one. Only `accumulate_f32` knows it. */
  accumulatorPtr!: u32;
}

/** Bytes from one row to the next. */
export const SEGMENT_BYTES: u32 = 64;

/** The hyper-parameters of a group: 128 bytes, of which the fields below are used. */
@unmanaged
export class Group {
  /** Bits of `Mode`. */
  mode!: u32;
  learningRate!: f32;
  weightDecay!: f32;
  /** learningRate·weightDecay. */
  decoupledDecay!: f32;
  /** Bound of each element of the gradient; +∞ for none. */
  clipValue!: f32;
  /** Bound of the gradient's norm: of this tensor's, or of all gradients in the step. */
  clipNorm!: f32;
  decay!: f32;
  decayComplement!: f32;
  epsInside!: f32;
  epsOutside!: f32;
  momentum!: f32;
  meanDecay!: f32;
  meanDecayComplement!: f32;
}

/** Bits of `Group.mode`. */
export namespace Mode {
  /** Clamp the gradient to ±clipValue and multiply it by gradScale: for maximize and every kind of clipping. */
  export const Rescale: u32 = 1;
  export const Maximize: u32 = 2;
  export const CoupledDecay: u32 = 4;
  export const DecoupledDecay: u32 = 8;
  /** Sums of squares are needed: this group clips by norm, or another one by the norm of all. */
  export const Measure: u32 = 16;
  export const ClipNorm: u32 = 32;
  export const ClipGlobalNorm: u32 = 64;
  export const Momentum: u32 = 128;
  export const Nesterov: u32 = 256;
  export const Centered: u32 = 512;
  export const BiasCorrection: u32 = 1024;
  /** epsOutside is not 0. */
  export const EpsOutside: u32 = 2048;
  /** With EpsOutside: √s / (s + epsOutside) in place of 1 / (√s + epsOutside). */
  export const EpsRatio: u32 = 4096;
  /** Any of the three that change the gradient or the parameter before the optimizer's own formula. */
  export const Condition: u32 = Rescale | CoupledDecay | DecoupledDecay;
}

// @ts-ignore: decorator
@inline export function segmentAt(segmentsPtr: usize, index: u32): Segment {
  return changetype<Segment>(segmentsPtr + index * SEGMENT_BYTES);
}

// @ts-ignore: decorator
@inline export function groupOf(row: Segment): Group {
  return changetype<Group>(<usize>row.groupPtr);
}

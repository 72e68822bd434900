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
   * State arrays, absent ones 0. RMSProp: squareAverage, gradientAverage, momentumBuffer; AdaGrad: squareSum; Adam:
   * squareAverage, gradientAverage, maxSquareAverage; SGD: momentumBuffer. The last one is every optimizer's
   * parameterAverage.
   */
  state0Ptr!: u32;
  state1Ptr!: u32;
  state2Ptr!: u32;
  state3Ptr!: u32;
  /**
   * Factors that depend on how many steps this parameter has taken. RMSProp: 1/(1 − decay^t), 1/(1 − meanDecay^t), or
   * with RowRate the second is its learning rate. Adam: √(1 − β₂^t), learningRate/(1 − β₁^t). SGD: what the gradient
   * enters the momentum buffer with: 1 in the first step, then 1 − dampening.
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
  /** What the gradient is then divided by (RescaleDivide) or multiplied with (RescaleTwice). Written by `measure`. */
  gradScale2!: f32;
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
  /** learningRate·weightDecay, with DecayFactor 1 − learningRate·weightDecay. */
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
  /** Factors of the increment before and after the momentum: 1, or the learning rate where a dialect has it there. */
  rateAfter!: f32;
  rateLast!: f32;
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
  // The forms of the frameworks, which are not Lanewise's own.
  /** ((1 − decay)·g)·g in place of (1 − decay)·g². */
  export const SquareProduct: u32 = 1 << 13;
  /** v + (1 − decay)·(g² − v). */
  export const SquareLerp: u32 = 1 << 14;
  /** m + (1 − meanDecay)·(g − m). */
  export const MeanLerp: u32 = 1 << 15;
  /** From the other end: g + meanDecay·(m − g). */
  export const MeanFromGradient: u32 = 1 << 16;
  /** s = v − (m² + epsOutside): TensorFlow.js takes ε away. */
  export const EpsInMean: u32 = 1 << 17;
  /** Multiplies by the reciprocal of the denominator. */
  export const Reciprocal: u32 = 1 << 18;
  /** The row's correction1 is the learning rate. */
  export const RowRate: u32 = 1 << 19;
  /** p·(1 − learningRate·weightDecay). */
  export const DecayFactor: u32 = 1 << 20;
  /** p − (p·weightDecay)·learningRate. */
  export const DecayTwice: u32 = 1 << 21;
  /** With CoupledDecay: clamps the gradient when the decay is in it. */
  export const ClampLast: u32 = 1 << 22;
  /** Clips by norm as Keras, Optax or Paddle does, in float32. */
  export const ClipKeras: u32 = 1 << 23;
  export const ClipOptax: u32 = 1 << 24;
  export const ClipPaddle: u32 = 1 << 25;
  /** The gradient is divided by gradScale2, or multiplied with it. */
  export const RescaleDivide: u32 = 1 << 26;
  export const RescaleTwice: u32 = 1 << 27;
  /** The increment is multiplied with rateAfter after the division, with rateLast after the momentum. */
  export const RateAfter: u32 = 1 << 28;
  export const RateLast: u32 = 1 << 29;
  /** Any of the forms. */
  export const Dialect: u32 = 0x3fffe000;

  /** Any of what changes the gradient or the parameter before the optimizer's own formula. */
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

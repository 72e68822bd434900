// The layout of the segment table, in 32-bit words; assembly/optim/segments.ts holds the same and says what each
// field means. The facade writes the table, the kernels walk it.

/** Words of a parameter's row. */
export const SEGMENT_PARAM = 0;
export const SEGMENT_GRAD = 1;
export const SEGMENT_COUNT = 2;
export const SEGMENT_GROUP = 3;
export const SEGMENT_STATE = 4;
/** The moving average of the parameter: the last of the four state arrays. */
export const SEGMENT_AVERAGE = 7;
export const SEGMENT_CORRECTION_0 = 8;
export const SEGMENT_CORRECTION_1 = 9;
export const SEGMENT_GRAD_SCALE = 10;
export const SEGMENT_AVERAGE_DECAY = 11;
export const SEGMENT_AVERAGE_COMPLEMENT = 12;
export const SEGMENT_ACCUMULATOR = 13;
export const SEGMENT_GRAD_SCALE_2 = 14;

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
  rateAfter: 13,
  rateLast: 14,
} as const;

/** Bytes of a group's block. */
export const GROUP_BYTES = 128;

/** Bits of a group's mode. */
export const MODE_RESCALE = 1;
export const MODE_MAXIMIZE = 2;
export const MODE_COUPLED_DECAY = 4;
export const MODE_DECOUPLED_DECAY = 8;
export const MODE_MEASURE = 16;
export const MODE_CLIP_NORM = 32;
export const MODE_CLIP_GLOBAL_NORM = 64;
export const MODE_MOMENTUM = 128;
export const MODE_NESTEROV = 256;
export const MODE_CENTERED = 512;
export const MODE_BIAS_CORRECTION = 1024;
export const MODE_EPS_OUTSIDE = 2048;
export const MODE_EPS_RATIO = 4096;
// The forms of the frameworks.
export const MODE_SQUARE_PRODUCT = 1 << 13;
export const MODE_SQUARE_LERP = 1 << 14;
export const MODE_MEAN_LERP = 1 << 15;
export const MODE_MEAN_FROM_GRADIENT = 1 << 16;
export const MODE_EPS_IN_MEAN = 1 << 17;
export const MODE_RECIPROCAL = 1 << 18;
export const MODE_ROW_RATE = 1 << 19;
export const MODE_DECAY_FACTOR = 1 << 20;
export const MODE_DECAY_TWICE = 1 << 21;
export const MODE_CLAMP_LAST = 1 << 22;
export const MODE_CLIP_KERAS = 1 << 23;
export const MODE_CLIP_OPTAX = 1 << 24;
export const MODE_CLIP_PADDLE = 1 << 25;
export const MODE_RESCALE_DIVIDE = 1 << 26;
export const MODE_RESCALE_TWICE = 1 << 27;
export const MODE_RATE_AFTER = 1 << 28;
export const MODE_RATE_LAST = 1 << 29;
/** Any of the three that change the gradient or the parameter before the optimizer's own formula. */
export const MODE_CONDITION = 1 | 4 | 8;

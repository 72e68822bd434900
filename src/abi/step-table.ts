// The table that describes an optimizer's step in linear memory: a segment for each parameter (or piece of one), then a
// block for each group of hyper-parameters. Both sides compile this file: the facade writes the table, kernels read it
// and write its two gradient scales (docs/decisions/0013-one-abi.md). Numbers are 32-bit words unless said otherwise.
// Scalars come derived in float64 and rounded once: no kernel computes 1 − β.

// A segment.

export const SEGMENT_PARAM = 0;
/** 0: no gradient in this step; the segment is passed over and its state left alone. */
export const SEGMENT_GRAD = 1;
/** Elements of the parameter, of its gradient and of its moving average. */
export const SEGMENT_COUNT = 2;
/** Address of its group's block. */
export const SEGMENT_GROUP = 3;
/** Addresses of up to three state arrays, in the order of the update rule's; those that a step does not write are 0. */
export const SEGMENT_STATE = 4;
/** The moving average of the parameter, which every rule may have. */
export const SEGMENT_AVERAGE = 7;
/** Sum of the gradients since the last update; 0 where each step is one. Only `accumulate_f32` knows it. */
export const SEGMENT_ACCUMULATOR = 8;
/** float32: factors that depend on how many steps this parameter has taken, or on its shape; each rule has its own. */
export const SEGMENT_SCALAR = 9;
export const SEGMENT_SCALARS = 3;
/** float32: the factor of norm clipping, negative to maximize. Written by `measure`. */
export const SEGMENT_GRAD_SCALE = 12;
/** float32: what the gradient is then divided or multiplied by. Written by `measure`. */
export const SEGMENT_GRAD_SCALE_2 = 13;
/**
 * float32: what the moving average is multiplied by, 0 in the first step, and the parameter's weight in it. A negative
 * decay: a + complement·(p − a).
 */
export const SEGMENT_AVERAGE_DECAY = 14;
export const SEGMENT_AVERAGE_COMPLEMENT = 15;
/** The parameter as matrices: `SEGMENT_COUNT` is a multiple of rows · columns. 1 × count for rank 0 and 1. */
export const SEGMENT_ROWS = 16;
export const SEGMENT_COLUMNS = 17;
/** float64, two words: a factor that must not be rounded yet. */
export const SEGMENT_SCALAR_F64 = 18;

/** Bytes from one segment to the next; the last words are not used yet. */
export const SEGMENT_BYTES = 96;

// A group's block. All but the first two words are float32.

/** MODE_… bits: what is done with gradients and parameters before the rule's own formula. */
export const GROUP_MODE = 0;
/** FORM_… bits: which form of its formula the rule uses. */
export const GROUP_FORM = 1;
export const GROUP_LEARNING_RATE = 2;
export const GROUP_WEIGHT_DECAY = 3;
/** learningRate·weightDecay, with MODE_DECAY_FACTOR 1 − learningRate·weightDecay. */
export const GROUP_DECOUPLED_DECAY = 4;
/** Bound of each element of the gradient; +∞ for none. */
export const GROUP_CLIP_VALUE = 5;
/** Bound of the gradient's norm: of this parameter's, or of all gradients in the step. */
export const GROUP_CLIP_NORM = 6;
export const GROUP_DECAY = 7;
export const GROUP_DECAY_COMPLEMENT = 8;
export const GROUP_EPS_INSIDE = 9;
export const GROUP_EPS_OUTSIDE = 10;
export const GROUP_MOMENTUM = 11;
export const GROUP_MEAN_DECAY = 12;
export const GROUP_MEAN_DECAY_COMPLEMENT = 13;
/** What a rule needs besides; each rule has its own. */
export const GROUP_SCALAR = 14;
export const GROUP_SCALARS = 8;
/** Where it is > 0, clipping by norm multiplies by min(1, (1 / (‖g‖ + clipEps))·clipNorm), as PyTorch does, in float32. */
export const GROUP_CLIP_EPS = 22;

/** Bytes of a block; the last words are not used yet. */
export const GROUP_BYTES = 128;

// Bits of a group's mode, the same for every rule.

/** Clamp the gradient to ±clipValue and multiply it by gradScale: for maximize and every kind of clipping. */
export const MODE_RESCALE = 1 << 0;
export const MODE_MAXIMIZE = 1 << 1;
export const MODE_COUPLED_DECAY = 1 << 2;
export const MODE_DECOUPLED_DECAY = 1 << 3;
/** Sums of squares are needed: this group clips by norm, or another one by the norm of all. */
export const MODE_MEASURE = 1 << 4;
export const MODE_CLIP_NORM = 1 << 5;
export const MODE_CLIP_GLOBAL_NORM = 1 << 6;
/** p·(1 − learningRate·weightDecay). */
export const MODE_DECAY_FACTOR = 1 << 7;
/** p − (p·weightDecay)·learningRate. */
export const MODE_DECAY_TWICE = 1 << 8;
/** With COUPLED_DECAY: clamps the gradient when the decay is in it. */
export const MODE_CLAMP_LAST = 1 << 9;
/** Clips by norm as Keras, Optax or Paddle does, in float32. */
export const MODE_CLIP_KERAS = 1 << 10;
export const MODE_CLIP_OPTAX = 1 << 11;
export const MODE_CLIP_PADDLE = 1 << 12;
/** The gradient is divided by gradScale2, or multiplied by it. */
export const MODE_RESCALE_DIVIDE = 1 << 13;
export const MODE_RESCALE_TWICE = 1 << 14;

/** Any of what changes the gradient or the parameter before the rule's own formula. */
export const MODE_TRANSFORM = MODE_RESCALE | MODE_COUPLED_DECAY | MODE_DECOUPLED_DECAY;
/** Any of what only RMSProp's loop for frameworks' forms knows. */
export const MODE_FRAMEWORK =
  MODE_DECAY_FACTOR | MODE_DECAY_TWICE | MODE_CLAMP_LAST | MODE_RESCALE_DIVIDE | MODE_RESCALE_TWICE;

// Bits of a group's form: RMSProp's, of which AdaGrad, Adam and SGD use some. Other rules may give them other meanings.

export const FORM_MOMENTUM = 1 << 0;
export const FORM_NESTEROV = 1 << 1;
export const FORM_CENTERED = 1 << 2;
export const FORM_BIAS_CORRECTION = 1 << 3;
/** epsOutside is not 0. */
export const FORM_EPS_OUTSIDE = 1 << 4;
/** With EPS_OUTSIDE: √s / (s + epsOutside) in place of 1 / (√s + epsOutside). */
export const FORM_EPS_RATIO = 1 << 5;
/** ((1 − decay)·g)·g in place of (1 − decay)·g². */
export const FORM_SQUARE_PRODUCT = 1 << 6;
/** v + (1 − decay)·(g² − v). */
export const FORM_SQUARE_LERP = 1 << 7;
/** m + (1 − meanDecay)·(g − m). */
export const FORM_MEAN_LERP = 1 << 8;
/** From the other end: g + meanDecay·(g − m), where meanDecay is 1 − meanDecay of the rule, negative. */
export const FORM_MEAN_FROM_GRADIENT = 1 << 9;
/** s = v − (m² + epsOutside): TensorFlow.js takes ε away. */
export const FORM_EPS_IN_MEAN = 1 << 10;
/** Multiplies by the reciprocal of the denominator. */
export const FORM_RECIPROCAL = 1 << 11;
/** The segment's second scalar is the learning rate. */
export const FORM_SEGMENT_RATE = 1 << 12;
/** The increment is multiplied by the learning rate after the division, or after the momentum, in place of before both. */
export const FORM_RATE_AFTER = 1 << 13;
export const FORM_RATE_LAST = 1 << 14;
/** With CENTERED: a variance that rounded below 0 counts as 0. Lanewise's own; no framework has it. */
export const FORM_VARIANCE_FLOOR = 1 << 15;
/** The learning rate is negative, and the increment is added. Not with RATE_LAST. */
export const FORM_NEGATIVE = 1 << 16;

/** Any of the forms that are not Lanewise's own. Bit 31 is the kernels' own. */
export const FORM_FRAMEWORK =
  FORM_SQUARE_PRODUCT |
  FORM_SQUARE_LERP |
  FORM_MEAN_LERP |
  FORM_MEAN_FROM_GRADIENT |
  FORM_EPS_IN_MEAN |
  FORM_RECIPROCAL |
  FORM_SEGMENT_RATE |
  FORM_RATE_AFTER |
  FORM_RATE_LAST |
  FORM_NEGATIVE;

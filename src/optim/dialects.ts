import {
  MODE_CLAMP_LAST,
  MODE_CLIP_GLOBAL_NORM,
  MODE_CLIP_KERAS,
  MODE_CLIP_NORM,
  MODE_CLIP_OPTAX,
  MODE_CLIP_PADDLE,
  MODE_COUPLED_DECAY,
  MODE_DECAY_FACTOR,
  MODE_DECAY_TWICE,
  MODE_DECOUPLED_DECAY,
  MODE_EPS_IN_MEAN,
  MODE_MEAN_FROM_GRADIENT,
  MODE_MEAN_LERP,
  MODE_RATE_AFTER,
  MODE_RATE_LAST,
  MODE_RECIPROCAL,
  MODE_RESCALE,
  MODE_RESCALE_DIVIDE,
  MODE_RESCALE_TWICE,
  MODE_SQUARE_LERP,
  MODE_SQUARE_PRODUCT,
} from "../backend/segments.js";
import type { RatePlacement } from "./segments.js";

/** A framework whose RMSProp is followed, rounding by rounding. */
export type DialectName =
  | "pytorch"
  | "keras3"
  | "keras2"
  | "tf-keras-legacy"
  | "tf1"
  | "optax"
  | "tfjs"
  | "mxnet1"
  | "mxnet2"
  | "paddle"
  | "timm";

/** Values of the options that a form depends on. */
export interface FormOptions {
  readonly decay: number;
  readonly centered: boolean;
  /** Undefined where it was not given. */
  readonly momentum: number | undefined;
  /** MODE_… bits of clipping and weight decay. */
  readonly conditioning: number;
}

/** How a dialect's formula differs from Lanewise's own. */
export interface Form {
  /** MODE_… bits, and those of the conditioning that stand for something else here. */
  readonly mode?: number;
  readonly without?: number;
  /** 1 − decay is taken of the rounded decay. */
  readonly complementOfRounded?: boolean;
  /** Whether there is a momentum buffer. Default: with momentum > 0. */
  readonly buffered?: boolean;
  readonly epsPlacement?: "inside" | "outside";
  /** Where the learning rate stands, and its sign. */
  readonly rate?: RatePlacement;
  /** Negative: the buffer holds minus the update. */
  readonly rateLast?: number;
}

/** One framework's RMSProp. */
export interface Dialect {
  /** What differs from Lanewise's defaults. */
  readonly learningRate?: number;
  readonly decay?: number;
  readonly eps: number;
  /** What it takes for ε = 0. */
  readonly epsForZero?: number;
  readonly momentum?: number;
  readonly initialScale?: number;
  /** The options it has besides learningRate, decay, eps, momentum and centered. */
  readonly options: readonly string[];
  /** Its weight decay is decoupled, always. */
  readonly decoupled?: boolean;
  /** The moving average of the parameters, where it is not F(1 − d) and starts as a copy after the first step. */
  readonly average?: "starts at the parameter" | "complement of rounded";
  form(options: FormOptions): Form;
}

const CLIPS = ["clipValue", "clipNorm", "globalClipNorm"];

/** Keras clips by norm to (g·c) / max(‖g‖, c), by global norm to g·(c·min(1/‖g‖, 1/c)), and decays by (p·wd)·lr. */
const kerasForm = (conditioning: number): number =>
  (conditioning & MODE_CLIP_NORM ? MODE_CLIP_KERAS | MODE_RESCALE_DIVIDE : 0) |
  (conditioning & MODE_CLIP_GLOBAL_NORM ? MODE_CLIP_KERAS : 0) |
  (conditioning & MODE_DECOUPLED_DECAY ? MODE_DECAY_TWICE : 0);

const LERP = MODE_SQUARE_LERP | MODE_MEAN_LERP;

/** The moments of TensorFlow's kernel, and a momentum buffer always. */
const KERNEL: Form = { mode: LERP, complementOfRounded: true, buffered: true };

/** Of MXNet with a mean: the buffer holds minus the update. Weight decay is added even where it is 0: 0·NaN is NaN. */
const NEGATIVE: Form = {
  mode: MODE_RATE_LAST | MODE_COUPLED_DECAY,
  rateLast: -1,
  rate: { field: "learningRate", sign: -1 },
  complementOfRounded: true,
  buffered: true,
};

const keras: Omit<Dialect, "form"> = {
  eps: 1e-7,
  options: ["weightDecay", "decoupledWeightDecay", "emaDecay", ...CLIPS],
  decoupled: true,
};

/**
 * The formulas are told in docs/guide/which-rmsprop.md; tests/golden/ holds what the frameworks themselves computed.
 * Sources: torch/optim/rmsprop.py; keras/src/optimizers/rmsprop.py; tf_keras/optimizers/rmsprop.py and legacy/rmsprop.py;
 * tensorflow/core/kernels/training_ops.cc; optax/_src/alias.py and transform.py; tfjs-core rmsprop_optimizer.ts; MXNet
 * src/operator/optimizer_op-inl.h of 1.9 and 2.0; paddle/phi/kernels/impl/rmsprop_kernel_impl.h; timm/optim/rmsprop_tf.py.
 */
export const DIALECTS: Readonly<Record<DialectName, Dialect>> = {
  pytorch: {
    learningRate: 1e-2,
    decay: 0.99,
    eps: 1e-8,
    options: ["weightDecay", "maximize", "emaDecay"],
    form: ({ decay, momentum = 0 }) => ({
      mode:
        MODE_SQUARE_PRODUCT |
        // torch.lerp goes from the nearer end.
        (Math.fround(1 - decay) < 0.5 ? MODE_MEAN_LERP : MODE_MEAN_FROM_GRADIENT) |
        (momentum > 0 ? MODE_RATE_LAST : 0),
      epsPlacement: "outside",
      rate: { field: momentum > 0 ? "rateLast" : "learningRate", sign: 1 },
    }),
  },
  keras3: {
    ...keras,
    average: "complement of rounded",
    form: ({ conditioning }) => ({ mode: kerasForm(conditioning) }),
  },
  keras2: {
    ...keras,
    average: "starts at the parameter",
    form: ({ conditioning }) => ({ mode: MODE_RECIPROCAL | kerasForm(conditioning) }),
  },
  "tf-keras-legacy": {
    eps: 1e-7,
    epsForZero: 1e-7,
    options: CLIPS,
    form: ({ conditioning, momentum = 0 }) => {
      const mode = kerasForm(conditioning);
      if (momentum > 0) return { ...KERNEL, mode: LERP | mode };
      return { mode, complementOfRounded: true, epsPlacement: "outside" };
    },
  },
  tf1: { eps: 1e-10, initialScale: 1, options: ["emaDecay"], form: () => KERNEL },
  optax: {
    eps: 1e-8,
    options: [
      "epsPlacement",
      "nesterov",
      "initialScale",
      "biasCorrection",
      "weightDecay",
      "clipValue",
      "globalClipNorm",
      "emaDecay",
    ],
    form: ({ conditioning, momentum }) => {
      const clip = conditioning & MODE_CLIP_GLOBAL_NORM ? MODE_CLIP_OPTAX | MODE_RESCALE_TWICE : 0;
      const mode = MODE_RECIPROCAL | MODE_RATE_AFTER | clip;
      // Only a buffer shows the sign.
      if (momentum === undefined) return { mode, rate: { field: "rateAfter", sign: 1 } };
      return {
        mode: mode | MODE_RATE_LAST,
        rate: { field: "rateAfter", sign: -1 },
        rateLast: -1,
        buffered: true,
      };
    },
  },
  tfjs: {
    eps: 1e-7,
    options: [],
    form: ({ centered }) => ({ mode: centered ? MODE_EPS_IN_MEAN : 0, buffered: true }),
  },
  mxnet1: {
    eps: 1e-8,
    momentum: 0.9,
    options: ["weightDecay", "clipValue"],
    form: ({ centered, conditioning }) => {
      const clamped = MODE_COUPLED_DECAY | (conditioning & MODE_RESCALE ? MODE_CLAMP_LAST : 0);
      const without = MODE_RESCALE;
      if (centered) return { ...NEGATIVE, mode: MODE_SQUARE_PRODUCT | MODE_RATE_LAST | clamped, without };
      const rate = { field: "rateAfter", sign: 1 } as const;
      return { mode: MODE_RATE_AFTER | clamped, without, rate, complementOfRounded: true, buffered: false };
    },
  },
  mxnet2: {
    eps: 1e-8,
    momentum: 0.9,
    options: ["weightDecay", "clipValue"],
    form: ({ centered }) =>
      centered
        ? NEGATIVE
        : { mode: MODE_COUPLED_DECAY, complementOfRounded: true, buffered: false, epsPlacement: "outside" },
  },
  paddle: {
    decay: 0.95,
    eps: 1e-6,
    options: ["weightDecay", "emaDecay", ...CLIPS],
    form: ({ conditioning }) => ({
      mode: MODE_SQUARE_PRODUCT | (conditioning & (MODE_CLIP_NORM | MODE_CLIP_GLOBAL_NORM) ? MODE_CLIP_PADDLE : 0),
      complementOfRounded: true,
      buffered: true,
    }),
  },
  timm: {
    learningRate: 1e-2,
    eps: 1e-10,
    initialScale: 1,
    options: ["weightDecay", "decoupledWeightDecay", "emaDecay"],
    form: () => ({ mode: LERP | MODE_DECAY_FACTOR }),
  },
};

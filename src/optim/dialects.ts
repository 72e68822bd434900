import {
  FORM_EPS_IN_MEAN,
  FORM_MEAN_FROM_GRADIENT,
  FORM_MEAN_LERP,
  FORM_NEGATIVE,
  FORM_RATE_AFTER,
  FORM_RATE_LAST,
  FORM_RECIPROCAL,
  FORM_SQUARE_LERP,
  FORM_SQUARE_PRODUCT,
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
  MODE_RESCALE,
  MODE_RESCALE_DIVIDE,
  MODE_RESCALE_TWICE,
} from "../abi/step-table.js";
import type { GroupOptions } from "./options.js";
import type { ParameterAverage, UpdateRule } from "./update-rule.js";

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

/** Values of the options that a variant depends on. */
export interface VariantOptions {
  readonly decay: number;
  readonly centered: boolean;
  /** Undefined where it was not given. */
  readonly momentum: number | undefined;
  /** MODE_… bits of clipping and weight decay. */
  readonly mode: number;
}

/** How a dialect's formula differs from Lanewise's own. */
export interface Variant {
  /** FORM_… bits. */
  readonly form?: number;
  /** MODE_… bits, where they are not those of the gradient transforms. */
  readonly mode?: number;
  /** 1 − decay is taken of the rounded decay. */
  readonly complementOfRounded?: boolean;
  /** Whether there is a momentum buffer. Default: with momentum > 0. */
  readonly buffered?: boolean;
  readonly epsPlacement?: "inside" | "outside";
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
  /** ε of its clipping by norm. */
  readonly clipEps?: number;
  /** The moving average of the parameters, where it is not d·a + F(1 − d)·θ and starts as a copy after the first step. */
  readonly average?: (emaDecay: number) => Partial<ParameterAverage>;
  readonly accumulation?: UpdateRule<GroupOptions>["accumulation"];
  readonly accumulationDrops?: boolean;
  variant(options: VariantOptions): Variant;
}

const CLIPS = ["clipValue", "clipNorm", "globalClipNorm"];

/** Keras clips by norm to (g·c) / max(‖g‖, c), by global norm to g·(c·min(1/‖g‖, 1/c)), and decays by (p·wd)·lr. */
const kerasMode = (mode: number): number =>
  mode |
  (mode & MODE_CLIP_NORM ? MODE_CLIP_KERAS | MODE_RESCALE_DIVIDE : 0) |
  (mode & MODE_CLIP_GLOBAL_NORM ? MODE_CLIP_KERAS : 0) |
  (mode & MODE_DECOUPLED_DECAY ? MODE_DECAY_TWICE : 0);

const LERP = FORM_SQUARE_LERP | FORM_MEAN_LERP;

/** The moments of TensorFlow's kernel, and a momentum buffer always. */
const KERNEL: Variant = { form: LERP, complementOfRounded: true, buffered: true };

/** MXNet adds weight decay even where it is 0: 0·NaN is NaN. */
const ALWAYS_DECAY = MODE_COUPLED_DECAY;

/** Of MXNet with a mean: the buffer is minus the update. */
const NEGATIVE: Variant = {
  form: FORM_NEGATIVE,
  complementOfRounded: true,
  buffered: true,
};

/** PyTorch's clip_grad_norm_ and clip_grad_value_, which it has beside the optimizer. */
const TORCH_CLIPS = ["clipEps", ...CLIPS];
const TORCH_CLIP_EPS = 1e-6;

const complementOfRounded = (emaDecay: number) => ({ complement: 1 - Math.fround(emaDecay) });
const lerped = { isLerp: true } as const;
const startsAtParameter = { startsAtParameter: true } as const;

const keras: Omit<Dialect, "variant"> = {
  eps: 1e-7,
  options: ["weightDecay", "decoupledWeightDecay", "emaDecay", ...CLIPS],
  decoupled: true,
};

/**
 * docs/guide/which-rmsprop.md has the formulas; tests/golden/ has the frameworks' own results.
 * Sources: torch/optim/rmsprop.py; keras/src/optimizers/rmsprop.py; tf_keras/optimizers/rmsprop.py and
 * legacy/rmsprop.py; tensorflow/core/kernels/training_ops.cc; optax/_src/alias.py and transform.py; tfjs-core
 * rmsprop_optimizer.ts; MXNet src/operator/optimizer_op-inl.h of 1.9 and 2.0;
 * paddle/phi/kernels/impl/rmsprop_kernel_impl.h; timm/optim/rmsprop_tf.py.
 */
export const DIALECTS: Readonly<Record<DialectName, Dialect>> = {
  pytorch: {
    learningRate: 1e-2,
    decay: 0.99,
    eps: 1e-8,
    options: ["weightDecay", "maximize", "emaDecay", ...TORCH_CLIPS],
    clipEps: TORCH_CLIP_EPS,
    average: () => lerped,
    variant: ({ decay, momentum = 0 }) => ({
      form:
        FORM_SQUARE_PRODUCT |
        // torch.lerp goes from the nearer end.
        (Math.fround(1 - decay) < 0.5 ? FORM_MEAN_LERP : FORM_MEAN_FROM_GRADIENT) |
        (momentum > 0 ? FORM_RATE_LAST : 0),
      epsPlacement: "outside",
    }),
  },
  keras3: {
    ...keras,
    average: complementOfRounded,
    accumulationDrops: true,
    variant: ({ mode }) => ({ mode: kerasMode(mode) }),
  },
  keras2: {
    ...keras,
    average: () => startsAtParameter,
    variant: ({ mode }) => ({ form: FORM_RECIPROCAL, mode: kerasMode(mode) }),
  },
  "tf-keras-legacy": {
    eps: 1e-7,
    epsForZero: 1e-7,
    options: CLIPS,
    variant: ({ mode, momentum = 0 }) => {
      if (momentum > 0) return { ...KERNEL, mode: kerasMode(mode) };
      return { mode: kerasMode(mode), complementOfRounded: true, epsPlacement: "outside" };
    },
  },
  tf1: {
    eps: 1e-10,
    initialScale: 1,
    options: ["emaDecay"],
    average: (emaDecay) => ({ ...complementOfRounded(emaDecay), ...startsAtParameter, ...lerped }),
    variant: () => KERNEL,
  },
  optax: {
    eps: 1e-8,
    accumulation: "running",
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
    variant: (options) => {
      const mode = options.mode | (options.mode & MODE_CLIP_GLOBAL_NORM ? MODE_CLIP_OPTAX | MODE_RESCALE_TWICE : 0);
      const form = FORM_RECIPROCAL | FORM_RATE_AFTER;
      // Only a buffer shows the sign.
      if (options.momentum === undefined) return { form, mode };
      return { form: form | FORM_NEGATIVE, mode, buffered: true };
    },
  },
  tfjs: {
    eps: 1e-7,
    options: [],
    variant: ({ centered }) => ({ form: centered ? FORM_EPS_IN_MEAN : 0, buffered: true }),
  },
  mxnet1: {
    eps: 1e-8,
    momentum: 0.9,
    options: ["weightDecay", "clipValue"],
    variant: (options) => {
      const clamp = options.mode & MODE_RESCALE ? MODE_CLAMP_LAST : 0;
      const mode = (options.mode & ~MODE_RESCALE) | ALWAYS_DECAY | clamp;
      if (options.centered) return { ...NEGATIVE, form: FORM_SQUARE_PRODUCT | FORM_NEGATIVE, mode };
      return { form: FORM_RATE_AFTER, mode, complementOfRounded: true, buffered: false };
    },
  },
  mxnet2: {
    eps: 1e-8,
    momentum: 0.9,
    options: ["weightDecay", "clipValue"],
    variant: (options) => {
      const mode = options.mode | ALWAYS_DECAY;
      if (options.centered) return { ...NEGATIVE, mode };
      return { mode, complementOfRounded: true, buffered: false, epsPlacement: "outside" };
    },
  },
  paddle: {
    decay: 0.95,
    eps: 1e-6,
    options: ["weightDecay", "emaDecay", ...CLIPS],
    variant: ({ mode }) => ({
      form: FORM_SQUARE_PRODUCT,
      mode: mode | (mode & (MODE_CLIP_NORM | MODE_CLIP_GLOBAL_NORM) ? MODE_CLIP_PADDLE : 0),
      complementOfRounded: true,
      buffered: true,
    }),
  },
  timm: {
    learningRate: 1e-2,
    eps: 1e-10,
    initialScale: 1,
    options: ["weightDecay", "decoupledWeightDecay", "emaDecay", "rateInMomentum", ...TORCH_CLIPS],
    clipEps: TORCH_CLIP_EPS,
    average: () => ({ ...startsAtParameter, ...lerped }),
    variant: ({ mode }) => ({ form: LERP, mode: mode | MODE_DECAY_FACTOR }),
  },
};

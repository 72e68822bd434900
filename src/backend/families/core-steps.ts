import {
  FORM_BIAS_CORRECTION,
  FORM_CENTERED,
  FORM_EPS_OUTSIDE,
  FORM_MEAN_LERP,
  FORM_MOMENTUM,
  FORM_NESTEROV,
  FORM_RATE_LAST,
  FORM_RECIPROCAL,
  FORM_SQUARE_LERP,
  FORM_SQUARE_PRODUCT,
  MODE_RESCALE,
} from "../../abi/step-table.js";
import type { StepKernelInfo } from "../family.js";

/** The step kernels of the core family. Apart from it, so that threads and wide mode load no JavaScript kernels. */
export const CORE_STEPS = {
  rmsprop_f32: {
    cut: "elements",
    variants: [
      {},
      { form: FORM_MOMENTUM | FORM_NESTEROV | FORM_EPS_OUTSIDE },
      { form: FORM_CENTERED | FORM_BIAS_CORRECTION },
      { form: FORM_CENTERED | FORM_MOMENTUM, mode: MODE_RESCALE },
      { form: FORM_SQUARE_PRODUCT | FORM_EPS_OUTSIDE },
      { form: FORM_SQUARE_LERP | FORM_MOMENTUM | FORM_RATE_LAST },
      { form: FORM_SQUARE_PRODUCT | FORM_CENTERED | FORM_MEAN_LERP | FORM_EPS_OUTSIDE },
      { form: FORM_RECIPROCAL | FORM_CENTERED | FORM_MOMENTUM | FORM_BIAS_CORRECTION },
    ],
  },
} as const satisfies Readonly<Record<string, StepKernelInfo>>;

/** Those of the families adam and sgd, which workers compute in pieces as well. */
export const ADAM_STEPS = {
  adam_f32: { cut: "elements", variants: [{ states: 2 }, { states: 3 }, { states: 2, mode: MODE_RESCALE }] },
} as const satisfies Readonly<Record<string, StepKernelInfo>>;

export const SGD_STEPS = {
  sgd_f32: {
    cut: "elements",
    variants: [{}, { mode: MODE_RESCALE }, { form: FORM_MOMENTUM }, { form: FORM_MOMENTUM | FORM_NESTEROV }],
    signedState: true,
  },
} as const satisfies Readonly<Record<string, StepKernelInfo>>;

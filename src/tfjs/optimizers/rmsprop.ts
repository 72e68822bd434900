import { RMSProp, type RMSPropOptions } from "../../optim/rmsprop.js";
import { epsilon, given, optionsOf, type Rate } from "./arguments.js";
import { type Kind, LanewiseOptimizer } from "./optimizer.js";

const KIND: Kind<RMSPropOptions> = {
  make: (core, params, options) => new RMSProp(core, params, options),
  columns: [
    { suffix: "rms", state: "squareAverage" },
    { suffix: "momentum", state: "momentumBuffer", always: true },
    { suffix: "mg", state: "gradientAverage" },
  ],
};

/** What `rmsprop` makes. */
export class LanewiseRMSProp extends LanewiseOptimizer<RMSPropOptions> {
  static readonly className = "LanewiseRMSProp";

  constructor(options: RMSPropOptions) {
    const { dialect = "lanewise" } = options;
    const own = dialect === "lanewise" ? { decay: 0.9, momentum: 0, centered: false } : {};
    const eps = dialect === "lanewise" || dialect === "tfjs" ? epsilon() : {};
    super(KIND, { ...own, ...eps, ...given(options) });
  }
}

/**
 * In place of `tf.train.rmsprop`: the same arguments, and the same bits unless centered, where the formula is the
 * published one: θ ← θ − lr·g / √(v − m² + ε). `dialect: "tfjs"` keeps TensorFlow.js's, which subtracts ε.
 *
 * @param learningRate a number >= 0 or a function of the iteration; or all of `RMSPropOptions`, whose defaults here are
 *   TensorFlow.js's where no other dialect is named
 * @param decay default 0.9
 * @param momentum default 0
 * @param epsilon default the backend's, 1e-7 or with 16-bit floats 1e-4
 * @param centered default false
 * @throws OptionError
 * @example
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [3] })] });
 * model.compile({ optimizer: rmsprop(1e-3), loss: "meanSquaredError" });
 */
export function rmsprop(
  learningRate: Rate | RMSPropOptions,
  decay?: number,
  momentum?: number,
  epsilon?: number | null,
  centered?: boolean,
): LanewiseRMSProp {
  return new LanewiseRMSProp(optionsOf("RMSProp", learningRate, { decay, momentum, eps: epsilon, centered }));
}

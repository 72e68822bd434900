import { SGD, type SGDOptions } from "../../optim/sgd.js";
import { given, optionsOf, type Rate } from "./arguments.js";
import { type Kind, LanewiseOptimizer } from "./optimizer.js";

const KIND: Kind<SGDOptions> = {
  make: (core, params, options) => new SGD(core, params, options),
  columns: [{ suffix: "momentum", state: "momentumBuffer" }],
};

/** What `sgd` makes. */
export class LanewiseSGD extends LanewiseOptimizer<SGDOptions> {
  static readonly className: string = "LanewiseSGD";

  constructor(options: SGDOptions) {
    super(KIND, given(options));
  }
}

/** What `momentum` makes. */
export class LanewiseMomentum extends LanewiseOptimizer<SGDOptions> {
  static readonly className = "LanewiseMomentum";

  constructor(options: SGDOptions) {
    super(KIND, { momentum: 0, nesterov: false, ...given(options) });
  }
}

/**
 * In place of `tf.train.sgd`: the same bits.
 *
 * @param learningRate a number >= 0 or a function of the iteration; or all of `SGDOptions`
 * @throws OptionError
 */
export function sgd(learningRate: Rate | SGDOptions): LanewiseSGD {
  return new LanewiseSGD(optionsOf("SGD", learningRate, {}));
}

/**
 * In place of `tf.train.momentum`: the same arguments and the same bits.
 *
 * @param learningRate a number >= 0 or a function of the iteration; or all of `SGDOptions`
 * @throws OptionError
 */
export function momentum(learningRate: Rate | SGDOptions, momentum?: number, useNesterov?: boolean): LanewiseMomentum {
  return new LanewiseMomentum(optionsOf("Momentum", learningRate, { momentum, nesterov: useNesterov }));
}

import type { Activation } from "../backend/backend.js";
import { checkBoolean, checkInteger, checkKeys, checkNumber, unexpected } from "../checks.js";
import { glorotUniform, type Initializer } from "./initializers.js";

/** Options of `dense`. */
export interface DenseOptions {
  /** Adds a vector to the product. Default true; it starts at 0. */
  bias?: boolean;
  /** Start values of the weights. Default `glorotUniform()`. */
  initializer?: Initializer;
}

/** A layer, as a plain description: the same one may stand in several models. */
export type Layer =
  | {
      readonly kind: "dense";
      readonly inputs: number;
      readonly outputs: number;
      readonly bias: boolean;
      readonly initializer: Initializer;
    }
  | { readonly kind: "activation"; readonly activation: Activation }
  | { readonly kind: "dropout"; readonly rate: number };

/**
 * A dense layer: y = x·W + b, with W [inputs, outputs] and b [outputs].
 *
 * @param inputs width of x, >= 1
 * @param outputs width of y, >= 1
 * @throws OptionError
 * @example
 * const layers = [dense(784, 128, { initializer: heNormal() }), relu(), dense(128, 10)];
 */
export function dense(inputs: number, outputs: number, options: DenseOptions = {}): Layer {
  checkInteger("inputs", inputs, 1);
  checkInteger("outputs", outputs, 1);
  checkKeys("options", options, ["bias", "initializer"]);
  const { bias = true, initializer = glorotUniform() } = options;
  checkBoolean("bias", bias);
  if (typeof initializer !== "function") {
    throw unexpected("initializer", initializer, "a function such as heNormal()");
  }
  return { kind: "dense", inputs, outputs, bias, initializer };
}

/** max(x, 0); its derivative at 0 is 0. */
export function relu(): Layer {
  return { kind: "activation", activation: "relu" };
}

/** tanh(x), at most 2 ulp off. */
export function tanh(): Layer {
  return { kind: "activation", activation: "tanh" };
}

/** 1 / (1 + exp(−x)), at most 2 ulp off. */
export function sigmoid(): Layer {
  return { kind: "activation", activation: "sigmoid" };
}

/**
 * In training each element becomes 0 with probability `rate`, and is multiplied by 1 / (1 − rate) otherwise; elsewhere it is
 * left alone. The mask is a function of the trainer's seed, the step and the element: the same in every engine.
 *
 * @param rate from 0 to below 1
 * @throws OptionError
 */
export function dropout(rate: number): Layer {
  checkNumber("rate", rate, 0, 1 - 2 ** -24);
  return { kind: "dropout", rate };
}

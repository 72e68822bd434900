import { checkFunction, checkKeys, unexpected } from "../checks.js";
import { OptionError } from "../errors.js";
import { Tensor } from "../tensor.js";
import { isRecord, type Parameter, type ParameterGroup } from "./parameters.js";

/** A record of parameters in two groups, for an optimizer's constructor. */
export type DecayGroups = ParameterGroup<{ weightDecay?: number }>[];

/**
 * Splits a record of parameters into weights, which decay, and biases and gains of normalizations, which do not: those
 * with fewer than two axes. A group without parameters is left out. Gradients may come as one record by name, as a
 * Trainer gives them.
 *
 * @param params Tensors by name, such as a model's `parameters`; a Float32Array counts as one axis
 * @param weightDecay finite, >= 0, of the weights
 * @param options `decays`: says of a name and its parameter whether it decays, in place of the number of axes
 * @throws OptionError
 * @example
 * const trainer = new Trainer(model, {
 *   loss: softmaxCrossEntropy(),
 *   optimizer: (parameters) => new AdamW(core, splitDecay(parameters, 0.01), { learningRate: 1e-3 }),
 * });
 * @see Karpathy, minGPT, configure_optimizers; timm's param_groups_weight_decay
 */
export function splitDecay(
  params: Readonly<Record<string, Parameter>>,
  weightDecay: number,
  options: { decays?: (name: string, parameter: Parameter) => boolean } = {},
): DecayGroups {
  if (!isRecord(params)) throw unexpected("params", params, "a record of parameters by name");
  checkKeys("options", options, ["decays"]);
  const { decays = (_: string, parameter: Parameter) => parameter instanceof Tensor && parameter.shape.length > 1 } =
    options;
  checkFunction("options.decays", decays);
  if (typeof weightDecay !== "number") throw unexpected("weightDecay", weightDecay, "a finite number >= 0");
  const entries = Object.entries(params);
  if (entries.length === 0) throw new OptionError("params is empty, expected at least one parameter");
  const isWeight = new Map(entries.map(([name, parameter]) => [name, decays(name, parameter)]));
  const groups = [
    { params: Object.fromEntries(entries.filter(([name]) => isWeight.get(name))), weightDecay },
    { params: Object.fromEntries(entries.filter(([name]) => !isWeight.get(name))), weightDecay: 0 },
  ];
  return groups.filter((group) => Object.keys(group.params).length > 0);
}

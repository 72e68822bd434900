import { describe, listOf } from "../../checks.js";
import { CheckpointError } from "../../errors.js";
import type { ParameterState } from "../../optim/state.js";
import { checkList, checkRecord, parseJson, valuesFor } from "../json.js";
import { namedParameters, shapeOf, valuesOf } from "../parameters.js";
import type { StoredTensor } from "../safetensors.js";
import {
  type Column,
  checkFile,
  Entries,
  exportOptions,
  type Form,
  importArrays,
  importOptions,
  type Layout,
  type Options,
  readSource,
  type Word,
} from "./layout.js";

/** One optimizer of torch.optim. */
interface TorchForm extends Form {
  /** PyTorch's class. */
  name: string;
  /** Other entries of its param_groups, which do not change a result. */
  implementation: Readonly<Record<string, boolean | null>>;
  /** State exists before the first step. */
  eager?: true;
}

const COMMON: readonly Word[] = [
  ["weight_decay", "weightDecay", 0],
  ["maximize", "maximize", false],
];
const MOMENTUM: Column = { key: "momentum_buffer", state: "momentumBuffer", when: ({ momentum }) => momentum };
const ADAM: Omit<TorchForm, "name" | "optimizer"> = {
  words: [
    ["lr", "learningRate", 1e-3],
    ["beta1", "beta1", 0.9],
    ["beta2", "beta2", 0.999],
    ["eps", "eps", 1e-8],
    ["amsgrad", "amsgrad", false],
    ["decoupled_weight_decay", "decoupledWeightDecay", false],
    ...COMMON,
  ],
  columns: [
    { key: "exp_avg", state: "gradientAverage" },
    { key: "exp_avg_sq", state: "squareAverage" },
    { key: "max_exp_avg_sq", state: "maxSquareAverage", when: ({ amsgrad }) => amsgrad },
  ],
  implementation: { foreach: null, capturable: false, differentiable: false, fused: null },
};
const FORMS: readonly TorchForm[] = [
  {
    name: "RMSprop",
    optimizer: "RMSProp",
    dialect: "pytorch",
    words: [
      ["lr", "learningRate", 1e-2],
      ["momentum", "momentum", 0],
      ["alpha", "decay", 0.99],
      ["eps", "eps", 1e-8],
      ["centered", "centered", false],
      ...COMMON,
    ],
    columns: [
      { key: "square_avg", state: "squareAverage" },
      MOMENTUM,
      { key: "grad_avg", state: "gradientAverage", when: ({ centered }) => centered },
    ],
    implementation: { capturable: false, foreach: null, differentiable: false },
  },
  { ...ADAM, name: "Adam", optimizer: "Adam" },
  {
    ...ADAM,
    name: "AdamW",
    optimizer: "AdamW",
    words: [
      ...ADAM.words,
      ["weight_decay", "weightDecay", 1e-2],
      ["decoupled_weight_decay", "decoupledWeightDecay", true],
    ],
  },
  {
    name: "Adagrad",
    optimizer: "AdaGrad",
    words: [
      ["lr", "learningRate", 1e-2],
      ["lr_decay", "learningRateDecay", 0],
      ["eps", "eps", 1e-10],
      ["initial_accumulator_value", "initialScale", 0],
      ...COMMON,
    ],
    columns: [{ key: "sum", state: "squareSum" }],
    implementation: { foreach: null, differentiable: false, fused: null },
    eager: true,
  },
  {
    name: "SGD",
    optimizer: "SGD",
    words: [
      ["lr", "learningRate", 1e-3],
      ["momentum", "momentum", 0],
      ["dampening", "dampening", 0],
      ["nesterov", "nesterov", false],
      ...COMMON,
    ],
    columns: [{ ...MOMENTUM, start: -0 }],
    implementation: { foreach: null, differentiable: false, fused: null },
  },
];

/** Keys of a param group that do not say how to step: names, what schedulers leave there, and choices of a kernel. */
const SILENT = [
  "params",
  "param_names",
  "name",
  "initial_lr",
  "max_lr",
  "min_lr",
  "swa_lr",
  "lr_scale",
  "base_momentum",
  "max_momentum",
  "capturable",
  "foreach",
  "differentiable",
  "fused",
];

/**
 * PyTorch's `optimizer.state_dict()`: RMSprop (dialect `"pytorch"`), Adam, AdamW, Adagrad and SGD.
 *
 * | entry | |
 * |---|---|
 * | `state/0/square_avg` … | float32, by the parameter's place over all groups; none for a parameter without a step |
 * | `state/0/step` | its count of steps; SGD has none, and starts at 1 where there is a buffer |
 * | metadata `optimizer` | the class: `RMSprop` |
 * | metadata `param_groups` | JSON |
 *
 * What a scheduler leaves in the groups (`initial_lr`, `max_lr`, `swa_lr` and such), and arrays of an option that is now
 * off (`momentum_buffer` without momentum), have no part in a step, and are passed over: PyTorch would go on with such an
 * array if the option were turned on again, Lanewise then begins a new one.
 *
 * Parameters are told by their `param_names` if both sides have names, else by their place.
 *
 * @example
 * const { dialect, groups, state } = pytorch.import(readSafetensors(bytes), parameters);
 * const optimizer = new RMSProp(core, parameters, { dialect, ...groups[0].options });
 * optimizer.load(state);
 * @see PyTorch torch/optim/optimizer.py
 */
export const pytorch: Layout = {
  import(file, parameters) {
    const { tensors, metadata } = checkFile(file);
    const form = FORMS.find(({ name }) => name === metadata.optimizer);
    if (form === undefined) {
      const known = FORMS.map(({ name }) => name).join(", ");
      throw new CheckpointError(`metadata.optimizer is ${describe(metadata.optimizer)}, expected one of ${known}`);
    }
    const named = namedParameters(parameters);
    const order = [...named.keys()];
    const entries = new Entries(tensors);
    const states = new Map<string, ParameterState>();
    const json = parseJson("metadata.param_groups", metadata.param_groups, valuesFor(tensors.size + named.size));
    const saved = checkList("metadata.param_groups", json);
    const groups = saved.map((value: unknown, g) => {
      const path = `param_groups[${g}]`;
      const group = checkRecord(path, value);
      const options = readGroup(form, group, path);
      const { params, param_names: givenNames } = group;
      const names = checkList(`${path}.params`, params).map((index, k) => {
        const place = states.size;
        if (index !== place) throw new CheckpointError(`${path}.params[${k}] is ${describe(index)}, expected ${place}`);
        const name: unknown = Array.isArray(givenNames) && !isList(order) ? givenNames[k] : order[place];
        const parameter = named.get(name as string);
        if (parameter === undefined || states.has(name as string)) {
          throw new CheckpointError(
            `${path}.params[${k}] is named ${describe(name)}, expected one of ${listOf(order)}`,
          );
        }
        const nameOf = ({ key }: Column): string => `state/${place}/${key}`;
        const columns = form.columns.filter(({ when }) => when === undefined || when(options));
        for (const column of form.columns) if (!columns.includes(column)) entries.drop(nameOf(column));
        const state: ParameterState = { iterations: 0 };
        if (entries.has(`state/${place}/step`)) state.iterations = entries.count(`state/${place}/step`);
        else if (form.name === "SGD") state.iterations = +columns.some((column) => entries.has(nameOf(column)));
        if (state.iterations > 0 || form.eager) {
          Object.assign(state, importArrays(columns, entries, nameOf, parameter));
        } else {
          const { length } = valuesOf(parameter);
          for (const { state: key, start = 0 } of columns) state[key] = new Float32Array(length).fill(start);
        }
        states.set(name as string, state);
        return name as string;
      });
      return { parameters: names, options };
    });
    if (states.size < order.length) {
      throw new CheckpointError(`param_groups has ${states.size} parameters, expected ${order.length}`);
    }
    entries.finish();
    let iterations = 0;
    for (const state of states.values()) iterations = Math.max(iterations, state.iterations);
    const { optimizer, dialect } = form;
    return {
      optimizer,
      ...(dialect && { dialect }),
      groups,
      state: { iterations, parameters: Object.fromEntries(states) },
    };
  },

  export(source) {
    const { form, description, state, named } = readSource("PyTorch", FORMS, source);
    const tensors = new Map<string, StoredTensor>();
    const all = description.groups.flatMap((group) => group.parameters);
    let place = 0;
    const groups = description.groups.map((group) => {
      const first = place;
      for (const name of group.parameters) {
        const prefix = `state/${place++}`;
        const own = state.parameters[name]!;
        if (own.iterations === 0 && !form.eager) continue;
        if (form.name !== "SGD") tensors.set(`${prefix}/step`, { shape: [], data: Float32Array.of(own.iterations) });
        for (const column of form.columns) {
          const data = own[column.state];
          if (data !== undefined && !own.momentumBegins)
            tensors.set(`${prefix}/${column.key}`, { shape: shapeOf(named.get(name)!), data });
        }
      }
      return {
        ...(!isList(all) && { param_names: group.parameters }),
        ...writeGroup(form, group.options),
        params: group.parameters.map((_, k) => first + k),
      };
    });
    return { tensors, metadata: { optimizer: form.name, param_groups: JSON.stringify(groups) } };
  },
};

/** Names that are the indices of a list. */
function isList(names: readonly string[]): boolean {
  return names.every((name, index) => name === String(index));
}

function readGroup(form: TorchForm, group: Record<string, unknown>, path: string): Options {
  const { betas, ...record } = group;
  if (betas !== undefined) {
    [record.beta1, record.beta2] = checkList(`${path}.betas`, betas);
  }
  for (const key of SILENT) delete record[key];
  return importOptions(form.words, record, path);
}

function writeGroup(form: TorchForm, options: Options): Record<string, unknown> {
  const { beta1, beta2, ...record } = exportOptions(form.words, options);
  return {
    ...record,
    ...(beta1 !== undefined && { betas: [beta1, beta2] }),
    ...form.implementation,
  };
}

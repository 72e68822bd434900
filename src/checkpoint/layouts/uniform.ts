import { OptionError } from "../../errors.js";
import type { ParameterState } from "../../optim/state.js";
import { checkRecord, parseJson, valuesFor } from "../json.js";
import { namedParameters, shapeOf } from "../parameters.js";
import type { StoredTensor } from "../safetensors.js";
import {
  type Column,
  checkFile,
  countOf,
  Entries,
  exportOptions,
  type Form,
  importArrays,
  importOptions,
  type Layout,
  type Options,
  readSource,
} from "./layout.js";

/** The mean of a centered optimizer. */
const CENTERED = { state: "gradientAverage", when: ({ centered }: Options) => centered } as const;

/** RMSProp of a framework that counts the steps of all parameters as one. */
interface UniformForm extends Form {
  readonly framework: string;
  /** The entry of a state array. */
  entry(key: string, name: string): string;
  /** Where options are more than a change of words. */
  importConfig?(config: Record<string, unknown>): Options;
  exportConfig?(config: Record<string, unknown>, options: Options): Record<string, unknown>;
  /** Takes the single numbers, may add options, and returns the count of steps. */
  importNumbers(entries: Entries, options: Options): number;
  exportNumbers(iterations: number, config: Record<string, unknown>): [string, StoredTensor][];
}

function layoutOf(form: UniformForm): Layout {
  const { optimizer, framework, words, columns } = form;
  return {
    import(file, parameters) {
      const { tensors, metadata } = checkFile(file);
      const named = namedParameters(parameters);
      const names = [...named.keys()];
      const entries = new Entries(tensors);
      const options: Options = {};
      if (metadata.config !== undefined) {
        const json = parseJson("metadata.config", metadata.config, valuesFor(0));
        const config = checkRecord("metadata.config", json);
        Object.assign(options, form.importConfig?.(config) ?? importOptions(words, config, "config"));
      }
      const iterations = form.importNumbers(entries, options);
      // Without the options the file tells which arrays there are.
      const known = metadata.config !== undefined;
      const present = columns.filter(
        ({ key, when }) => when === undefined || (known ? when(options) : entries.has(form.entry(key, names[0]!))),
      );
      if (!known) options.centered = present.some(({ state }) => state === "gradientAverage");
      const states = Array.from(named, ([name, parameter]): [string, ParameterState] => {
        const nameOf = ({ key }: Column): string => form.entry(key, name);
        return [name, { iterations, ...importArrays(present, entries, nameOf, parameter) }];
      });
      entries.finish();
      const state = { iterations, parameters: Object.fromEntries(states) };
      return { optimizer, dialect: form.dialect!, groups: [{ parameters: names, options }], state };
    },

    export(source) {
      const { description, state, named } = readSource(framework, [form], source);
      const [group, ...others] = description.groups;
      if (others.length > 0) throw new OptionError(`optimizer has groups, which ${framework} does not have`);
      const { parameters, options } = group!;
      // There is one count for all parameters, by which a bias is corrected, and an average begins.
      const { biasCorrection, emaDecay } = options;
      const relevant = biasCorrection ? Number : Boolean;
      const other = parameters.find((name) => {
        return relevant(state.parameters[name]!.iterations) !== relevant(state.iterations);
      });
      if (other !== undefined && (biasCorrection || emaDecay !== undefined)) {
        throw new OptionError(
          `parameters.${other} has made ${state.parameters[other]!.iterations} of ${state.iterations} steps, but ${framework} has one count for all`,
        );
      }
      const config = exportOptions(words, options);
      const tensors = new Map(form.exportNumbers(state.iterations, config));
      for (const column of columns) {
        if (column.when && !column.when(options)) continue;
        for (const name of parameters) {
          const data = state.parameters[name]![column.state];
          if (data === undefined) continue;
          const entry = form.entry(column.key, name);
          if (tensors.has(entry)) throw new OptionError(`parameters.${name} and another one would both be "${entry}"`);
          tensors.set(entry, { shape: shapeOf(named.get(name)!), data });
        }
      }
      return { tensors, metadata: { config: JSON.stringify(form.exportConfig?.(config, options) ?? config) } };
    },
  };
}

const KERAS_NAME = "rm_sprop";

const keras = /* @__PURE__ */ layoutOf({
  framework: "Keras",
  optimizer: "RMSProp",
  dialect: "keras3",
  words: [
    ["learning_rate", "learningRate", 1e-3],
    ["rho", "decay", 0.9],
    ["momentum", "momentum", 0],
    ["epsilon", "eps", 1e-7],
    ["centered", "centered", false],
    ["weight_decay", "weightDecay", null],
    ["clipvalue", "clipValue", null],
    ["clipnorm", "clipNorm", null],
    ["global_clipnorm", "globalClipNorm", null],
    ["ema_momentum", "emaDecay", 0.99],
  ],
  columns: [
    { key: "average", state: "parameterAverage", when: ({ emaDecay }) => emaDecay !== undefined },
    { key: "velocity", state: "squareAverage" },
    { key: "momentum", state: "momentumBuffer", when: ({ momentum }) => momentum },
    { key: "average_gradient", ...CENTERED },
  ],
  entry: (key, name) => `${KERAS_NAME}/${name.replaceAll("/", "_")}_${key}`,
  importConfig({ name, learning_rate: rate, use_ema: averages, ema_momentum: decay, ...config }) {
    // A schedule is an object here; the numbers have the rate of the next step, if there is one.
    return importOptions(this.words, { ...config, ...(averages === true && { ema_momentum: decay }) }, "config");
  },
  exportConfig: (config, { emaDecay }) => ({ name: KERAS_NAME, ...config, use_ema: emaDecay !== undefined }),
  importNumbers(entries, options) {
    const name = `${KERAS_NAME}/learning_rate`;
    if (entries.has(name)) options.learningRate = entries.scalar(name);
    return entries.count(`${KERAS_NAME}/iteration`);
  },
  exportNumbers: (iterations, config) => [
    [`${KERAS_NAME}/iteration`, { shape: [], data: BigInt64Array.of(BigInt(iterations)) }],
    [`${KERAS_NAME}/learning_rate`, { shape: [], data: Float32Array.of(config.learning_rate as number) }],
  ],
});

/**
 * Keras 3, `optimizer.variables` of RMSprop, by their paths; dialect `"keras3"`.
 *
 * | entry | |
 * |---|---|
 * | `rm_sprop/iteration` | int64 |
 * | `rm_sprop/learning_rate` | float32; absent with a schedule |
 * | `rm_sprop/dense_kernel_velocity` … | float32; a parameter is named as its variable's path, `/` for `_` or not |
 * | metadata `config` | `optimizer.get_config()` as JSON; may be absent on import, options are then incomplete |
 *
 * `rm_sprop` may be another name on import.
 *
 * @see Keras keras/src/optimizers/rmsprop.py, base_optimizer.py
 */
export const keras3: Layout = {
  export: keras.export,
  import(file, parameters) {
    const { tensors, metadata } = checkFile(file);
    const own = [...tensors.keys()].find((name) => name.endsWith("/iteration"))?.slice(0, -"iteration".length);
    const renamed = Array.from(tensors, ([name, tensor]): [string, StoredTensor] =>
      own !== undefined && name.startsWith(own) ? [`${KERAS_NAME}/${name.slice(own.length)}`, tensor] : [name, tensor],
    );
    return keras.import({ tensors: new Map(renamed), metadata }, parameters);
  },
};

/** `optax.rmsprop` by itself; optax.ts has what may be around it. */
export const optaxRMSProp: Layout = /* @__PURE__ */ layoutOf({
  framework: "Optax",
  optimizer: "RMSProp",
  dialect: "optax",
  words: [
    ["learning_rate", "learningRate", null],
    ["decay", "decay", 0.9],
    ["eps", "eps", 1e-8],
    ["initial_scale", "initialScale", 0],
    ["eps_in_sqrt", "epsPlacement", true],
    ["centered", "centered", false],
    ["momentum", "momentum", null],
    ["nesterov", "nesterov", false],
    ["bias_correction", "biasCorrection", false],
  ],
  columns: [
    { key: "mu", ...CENTERED },
    { key: "nu", state: "squareAverage" },
    { key: "trace", state: "momentumBuffer", when: ({ momentum }) => momentum !== undefined },
  ],
  entry: (key, name) => `${key === "trace" ? 2 : 0}/${key}/${name}`,
  importNumbers(entries, options) {
    options.biasCorrection ??= entries.has("0/count");
    const steps = options.biasCorrection ? entries.count("0/count") : 0;
    return entries.has("1/count") ? entries.count("1/count") : steps;
  },
  exportNumbers: (iterations, config) => (config.bias_correction ? [["0/count", countOf(iterations)]] : []),
});

/**
 * TensorFlow.js, `getWeights()` of `tf.train.rmsprop`, in its order; dialect `"tfjs"`.
 *
 * | entry | |
 * |---|---|
 * | `iter` | int32 |
 * | `w/rms`, `w/momentum`, with centered `w/mg` | float32, each for all parameters |
 * | metadata `config` | `getConfig()` as JSON; may be absent on import, options are then incomplete |
 *
 * @see TensorFlow.js tfjs-core/src/optimizers/rmsprop_optimizer.ts
 */
export const tfjs: Layout = /* @__PURE__ */ layoutOf({
  framework: "TensorFlow.js",
  optimizer: "RMSProp",
  dialect: "tfjs",
  words: [
    ["learningRate", "learningRate", null],
    ["decay", "decay", 0.9],
    ["momentum", "momentum", 0],
    ["epsilon", "eps", 1e-7],
    ["centered", "centered", false],
  ],
  columns: [
    { key: "rms", state: "squareAverage" },
    { key: "momentum", state: "momentumBuffer" },
    { key: "mg", ...CENTERED },
  ],
  entry: (key, name) => `${name}/${key}`,
  importNumbers: (entries) => entries.count("iter"),
  exportNumbers: (iterations) => [["iter", countOf(iterations)]],
});

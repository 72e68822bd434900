import { describe } from "../../checks.js";
import { CheckpointError, OptionError } from "../../errors.js";
import type { ParameterState } from "../../optim/state.js";
import { sizeOf } from "../../tensor.js";
import { checkRecord, parseJson, valuesFor } from "../json.js";
import { checkFits, namedParameters, shapeOf } from "../parameters.js";
import type { Safetensors, StoredTensor } from "../safetensors.js";
import { checkFile, countOf, Entries, type Layout } from "./layout.js";
import { optaxRMSProp } from "./uniform.js";

/** Hyper-parameters that are numbers, in Lanewise's words. */
const HYPERPARAMS: Readonly<Record<string, string>> = {
  learning_rate: "learningRate",
  decay: "decay",
  eps: "eps",
  initial_scale: "initialScale",
  momentum: "momentum",
};

/** The state of what `optax.rmsprop` is wrapped in. */
interface Wrapping {
  /** Updates made, if it counts them. */
  iterations?: number;
  /** Calls since the last update, and the mean of their gradients by parameter. */
  accumulatedSteps?: number;
  sums?: ReadonlyMap<string, StoredTensor>;
  /** Injected, in Optax's words. */
  hyperparams: Record<string, number>;
}

/** Splits the entries into those of `optax.rmsprop`, as they would be without a wrapper, and what is around them. */
function unwrap(tensors: Safetensors["tensors"], first: string): { inner: Safetensors["tensors"]; around: Wrapping } {
  const around: Wrapping = { hyperparams: {} };
  const ending = `0/nu/${first}`;
  const found = [...tensors.keys()].filter((name) => name === ending || name.endsWith(`/${ending}`));
  const prefix = found.reduce(
    (shortest, name) => (name.length < shortest.length ? name : shortest),
    found[0] ?? ending,
  );
  const path = prefix.slice(0, -ending.length);
  const entries = new Entries([...tensors].filter(([name]) => !name.startsWith(path)));
  const below = (start: string): string[] => [...tensors.keys()].filter((name) => name.startsWith(start));
  let level = "";
  for (const segment of path.split("/").slice(0, -1)) {
    if (segment === "inner_opt_state") {
      if (around.sums !== undefined) throw new CheckpointError(`"${level}mini_step" is of a second MultiSteps`);
      around.accumulatedSteps = entries.count(`${level}mini_step`);
      around.iterations = entries.count(`${level}gradient_step`);
      const sums = `${level}acc_grads/`;
      around.sums = new Map(below(sums).map((name) => [name.slice(sums.length), entries.take(name)]));
      for (const name of below(`${level}skip_state/`)) entries.drop(name);
    } else if (segment === "inner_state") {
      around.iterations = entries.count(`${level}count`);
      for (const name of below(`${level}hyperparams/`)) {
        const key = name.slice(`${level}hyperparams/`.length);
        const scheduled = `${level}hyperparams_states/${key}/count`;
        if (!Object.hasOwn(HYPERPARAMS, key)) continue; // it is among those that are unknown
        const value = entries.scalar(name);
        if (!entries.has(scheduled)) around.hyperparams[key] = value;
        else if (key === "learning_rate") entries.drop(scheduled);
        else throw new CheckpointError(`"${scheduled}" is of a schedule, which only the learning rate may have`);
      }
    }
    level += `${segment}/`;
  }
  entries.finish();
  const inner = [...tensors].filter(([name]) => name.startsWith(path));
  return { inner: new Map(inner.map(([name, tensor]) => [name.slice(path.length), tensor])), around };
}

/**
 * Optax, the tree of `optax.rmsprop`'s state, flattened with paths; dialect `"optax"`. It may be within
 * `optax.inject_hyperparams`, `optax.MultiSteps` and an `optax.chain` whose other parts have no state.
 *
 * | entry | |
 * |---|---|
 * | `0/count` | int32, with bias correction only |
 * | `0/mu/w`, `0/nu/w`, `2/trace/w` | float32, of parameter w |
 * | `1/count` | int32, with a schedule only; read, not written |
 * | `1/0/nu/w` … | as the second of a chain; read, not written |
 * | `mini_step`, `gradient_step`, `acc_grads/w`, `inner_opt_state/0/nu/w` … | of `MultiSteps`; written with `accumulationSteps` |
 * | `count`, `hyperparams/decay` …, `inner_state/0/nu/w` … | of `inject_hyperparams`; read, not written |
 * | metadata `config` | the arguments of `optax.rmsprop` as JSON, and `every_k_schedule` of `MultiSteps`; may be absent on import, options are then incomplete |
 *
 * Without a count the state is taken to be at step 0, which matters to schedules alone. Injected hyper-parameters are
 * float32 numbers, and are the options that are imported. A rate that follows a schedule is not among them.
 *
 * @see Optax optax/_src/alias.py, transform.py, transforms/_accumulation.py, schedules/_inject.py
 */
export const optax: Layout = {
  import(file, parameters) {
    const { tensors, metadata } = checkFile(file);
    const named = namedParameters(parameters);
    const [first = ""] = named.keys();
    const { inner, around } = unwrap(tensors, first);
    const { config: json, ...others } = metadata;
    const options = Object.entries(around.hyperparams).map(([key, value]) => [HYPERPARAMS[key]!, value]);
    let steps: unknown;
    const own: Record<string, string> = { ...others };
    if (json !== undefined) {
      const config = checkRecord("metadata.config", parseJson("metadata.config", json, valuesFor(0)));
      const { every_k_schedule: every, ...rest } = config;
      steps = every ?? undefined;
      own.config = JSON.stringify({ ...rest, ...around.hyperparams });
    }
    if (steps !== undefined && !(Number.isSafeInteger(steps) && (steps as number) > 0)) {
      throw new CheckpointError(`config.every_k_schedule is ${describe(steps)}, expected an integer > 0`);
    }
    const imported = optaxRMSProp.import({ tensors: inner, metadata: own }, parameters);
    const unknown = [...(around.sums?.keys() ?? [])].find((name) => !named.has(name));
    if (unknown !== undefined) throw new CheckpointError(`"acc_grads/${unknown}" is unknown`);
    const { iterations = imported.state.iterations, accumulatedSteps = 0, sums } = around;
    const states = Object.entries(imported.state.parameters).map(([name, state]): [string, ParameterState] => {
      const sum = accumulatedSteps > 0 && { gradientSum: sumOf(sums!, name, named) };
      return [name, { ...state, iterations, ...sum }];
    });
    return {
      ...imported,
      groups: imported.groups.map((group) => ({
        ...group,
        options: { ...group.options, ...Object.fromEntries(options) },
      })),
      ...(steps !== undefined && { accumulationSteps: steps as number, accumulation: "running" }),
      state: {
        iterations,
        ...(accumulatedSteps > 0 && { accumulatedSteps }),
        parameters: Object.fromEntries(states),
      },
    };
  },

  export(source) {
    const { parameters, optimizer } = source;
    const description = optimizer?.description?.();
    const { accumulationSteps: steps, accumulation } = description ?? {};
    if (steps === undefined) return optaxRMSProp.export(source);
    if (accumulation !== "running") {
      throw new OptionError('optimizer has accumulation "sum", but MultiSteps of Optax has "running"');
    }
    const { accumulatedSteps = 0, ...state } = optimizer.state();
    const sums = new Map<string, Float32Array | undefined>();
    const without = Object.entries(state.parameters).map(([name, { gradientSum, ...own }]) => {
      sums.set(name, gradientSum);
      return [name, own] as const;
    });
    const inner = { ...state, parameters: Object.fromEntries(without) };
    const plain = { ...optimizer, description: () => description!, state: () => inner };
    const { tensors, metadata } = optaxRMSProp.export({ parameters, optimizer: plain });
    const named = namedParameters(parameters);
    const wrapped = new Map<string, StoredTensor>([
      ["mini_step", countOf(accumulatedSteps)],
      ["gradient_step", countOf(state.iterations)],
    ]);
    for (const [name, tensor] of tensors) wrapped.set(`inner_opt_state/${name}`, tensor);
    for (const [name, sum] of sums) {
      const shape = shapeOf(named.get(name)!);
      wrapped.set(`acc_grads/${name}`, { shape, data: sum ?? new Float32Array(sizeOf(shape)) });
    }
    const config = { ...JSON.parse(metadata.config!), every_k_schedule: steps };
    return { tensors: wrapped, metadata: { config: JSON.stringify(config) } };
  },
};

function sumOf(
  sums: ReadonlyMap<string, StoredTensor>,
  name: string,
  named: ReturnType<typeof namedParameters>,
): Float32Array {
  const sum = sums.get(name);
  if (sum === undefined) throw new CheckpointError(`"acc_grads/${name}" is missing`);
  return checkFits(`acc_grads/${name}`, sum, named.get(name)!);
}

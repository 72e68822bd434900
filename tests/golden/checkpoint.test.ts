import { describe, expect, it } from "vitest";
import {
  keras3,
  type Layout,
  optax,
  pytorch,
  type Safetensors,
  type StatefulOptimizer,
  type StoredTensor,
  tfjs,
} from "../../src/checkpoint/index.js";
import type { Core } from "../../src/core.js";
import * as lanewise from "../../src/index.js";
import { expectSameBits } from "../helpers/bits.js";
import { backends, makeCore } from "../helpers/cores.js";
import { type CheckpointEntry, type GoldenCase, readGolden, startParameters } from "./vectors.js";

// A framework's state after step 10, saved by the framework itself, goes on in Lanewise with the framework's bits; and
// Lanewise's own state after step 10 is exported as the entries that the framework saved.

const files: { framework: string; layout: Layout; classes: Record<string, string> }[] = [
  {
    framework: "pytorch",
    layout: pytorch,
    classes: { "torch.optim.RMSprop": "RMSProp", "torch.optim.Adam": "Adam" },
  },
  { framework: "keras3", layout: keras3, classes: { "keras.optimizers.RMSprop": "RMSProp" } },
  { framework: "optax", layout: optax, classes: { "optax.rmsprop": "RMSProp" } },
  { framework: "tfjs", layout: tfjs, classes: { "tf.train.rmsprop": "RMSProp" } },
];

type Parameters = Record<string, Float32Array>;
interface AnyOptimizer extends StatefulOptimizer {
  step(gradients: unknown): void;
}
type OptimizerClass = new (core: Core, parameters: Parameters | Float32Array[], options: object) => AnyOptimizer;
const classes = lanewise as unknown as Record<string, OptimizerClass>;

const ARRAYS: Record<string, (data: ArrayLike<number>) => StoredTensor["data"]> = {
  float32: (data) => Float32Array.from(data),
  int32: (data) => Int32Array.from(data),
  int64: (data) => BigInt64Array.from(Array.from(data), BigInt),
};

/** The golden entries as the file that the guide's recipes write. */
function fileOf(c: GoldenCase): Safetensors {
  const tensors = new Map<string, StoredTensor>();
  const groups: Record<string, unknown>[] = [];
  for (const { name, dtype, shape, data, value } of c.checkpoint!.entries) {
    if (dtype === undefined) {
      const [, group, key] = name.split("/");
      groups[+group!] ??= {};
      groups[+group!]![key!] = value;
    } else tensors.set(name, { shape: shape!, data: ARRAYS[dtype]!(data!) });
  }
  const { before: _, inject_hyperparams: __, ...config } = c.frameworkOptions;
  const metadata: Record<string, string> =
    groups.length > 0
      ? { optimizer: c.optimizer.split(".").at(-1)!, param_groups: JSON.stringify(groups) }
      : { config: JSON.stringify(config) };
  return { tensors, metadata };
}

/** Whether Lanewise writes such a file: of what may be around an Optax optimizer, `MultiSteps` alone. */
function isWritten({ frameworkOptions }: GoldenCase): boolean {
  return !("before" in frameworkOptions || "inject_hyperparams" in frameworkOptions);
}

/** How many updates a file counts; Optax counts them for a bias correction and in wrappers. */
function updatesOf({ checkpoint, dialect, options, frameworkOptions }: GoldenCase): number {
  const { accumulationSteps = 1, biasCorrection } = options as { accumulationSteps?: number; biasCorrection?: boolean };
  const counts = biasCorrection || accumulationSteps > 1 || "inject_hyperparams" in frameworkOptions;
  return dialect === "optax" && !counts ? 0 : Math.floor(checkpoint!.step / accumulationSteps);
}

/** PyTorch names parameters that were given with names; else they are a list. */
function isNamed(c: GoldenCase): boolean {
  const names = c.checkpoint!.entries.filter((entry: CheckpointEntry) => entry.name.endsWith("param_names"));
  return c.dialect !== "pytorch" || names.length > 0;
}

/** Runs steps and compares parameters and state with the framework's after each; by name, or as a list. */
function follow(c: GoldenCase, optimizer: AnyOptimizer, parameters: Parameters, from: number, to: number): void {
  for (let step = from; step < to; step++) {
    const [a, b] = [c.gradient("a", step), c.gradient("b", step)];
    optimizer.step(isNamed(c) ? { a, b } : [a, b]);
    const state = optimizer.state().parameters;
    for (const [index, name] of (["a", "b"] as const).entries()) {
      const { parameter, ...arrays } = c.arrays[name];
      expectSameBits(parameters[name]!, parameter![step]!, `${name} after step ${step + 1}`);
      const own = state[isNamed(c) ? name : index]! as unknown as Record<string, Float32Array>;
      for (const [key, trace] of Object.entries(arrays)) {
        expectSameBits(own[key]!, trace[step]!, `${key} of ${name} after step ${step + 1}`);
      }
    }
  }
}

describe.each(files)("$framework", ({ framework, layout, classes: names }) => {
  const { cases } = readGolden(`checkpoint-${framework}`);
  const all = cases.map((c) => [`${c.optimizer} ${c.name}`, c] as const);
  const given = (c: GoldenCase, { a, b }: Parameters) => (isNamed(c) ? { a: a!, b: b! } : [a!, b!]);

  it("has cases", () => expect(cases.length).toBeGreaterThan(0));

  const written = all.filter(([, c]) => isWritten(c));
  it.each(written)("%s: an imported state is exported as it was", (_, c) => {
    const file = fileOf(c);
    const parameters = given(c, startParameters());
    const imported = layout.import(file, parameters);
    expect(imported.optimizer).toBe(names[c.optimizer]);
    const optimizer = { state: () => imported.state, load() {}, description: () => imported };
    expectSameFile(layout.export({ parameters, optimizer }), file);
  });

  describe.each(backends)("on %s", (backend) => {
    it.each(all)("%s: goes on with the framework's bits", (_, c) => {
      const { step } = c.checkpoint!;
      const parameters = startParameters();
      for (const name of ["a", "b"] as const) parameters[name].set(c.arrays[name].parameter![step - 1]!);
      const imported = layout.import(fileOf(c), given(c, parameters));
      const { optimizer, dialect, groups, accumulationSteps, state } = imported;
      const { accumulationSteps: steps, ...ofGroup } = c.options;
      expect([groups[0]!.options, accumulationSteps]).toMatchObject([ofGroup, steps]);
      expect(state.iterations).toBe(updatesOf(c));
      const resumed = new classes[optimizer]!(makeCore(backend), given(c, parameters), {
        ...(dialect && { dialect }),
        ...(accumulationSteps && { accumulationSteps }),
        ...groups[0]!.options,
      });
      resumed.load(state);
      follow(c, resumed, parameters, step, c.steps);
    });

    it.each(written)("%s: exports what the framework saved", (_, c) => {
      const { step } = c.checkpoint!;
      const parameters = startParameters();
      const dialect = names[c.optimizer] === "RMSProp" && { dialect: c.dialect };
      const options = { ...dialect, ...c.options };
      const optimizer = new classes[names[c.optimizer]!]!(makeCore(backend), given(c, parameters), options);
      follow(c, optimizer, parameters, 0, step);
      expectSameFile(layout.export({ parameters: given(c, parameters), optimizer }), fileOf(c));
    });
  });
});

/** The same names in the same order, the same numbers, and the same options as far as `expected` has them. */
function expectSameFile(actual: Safetensors, expected: Safetensors): void {
  expect([...actual.tensors.keys()]).toEqual([...expected.tensors.keys()]);
  for (const [name, { shape, data }] of expected.tensors) {
    const stored = actual.tensors.get(name)!;
    expect(stored.shape).toEqual(shape);
    if (data instanceof Float32Array) expectSameBits(stored.data as Float32Array, data, name);
    else expect(stored.data).toEqual(data);
  }
  const { optimizer, param_groups, config } = expected.metadata;
  expect(actual.metadata.optimizer).toBe(optimizer);
  if (param_groups !== undefined) expect(JSON.parse(actual.metadata.param_groups!)).toEqual(JSON.parse(param_groups));
  if (config !== undefined) expect(JSON.parse(actual.metadata.config!)).toMatchObject(JSON.parse(config));
}

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  type CheckpointTarget,
  loadCheckpoint,
  readSafetensors,
  type StatefulOptimizer,
  saveCheckpoint,
  writeSafetensors,
} from "../../../src/checkpoint/index.js";
import type { Core } from "../../../src/core.js";
import {
  Adam,
  CheckpointError,
  DisposedError,
  type Optimizer,
  type OptimizerState,
  OptionError,
  RMSProp,
  type RMSPropOptions,
  SGD,
} from "../../../src/index.js";
import { dense, dropout, relu, Sequential, softmaxCrossEntropy, Trainer } from "../../../src/nn/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, expectUnchanged, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

const SHAPES = { weight: [5, 4], bias: [4] };

function makeParameters(core: Core, seed = 1) {
  return {
    weight: core.tensor(SHAPES.weight, randomValues(20, seed)),
    bias: randomValues(4, seed + 1), // a plain array
  };
}

type Parameters = ReturnType<typeof makeParameters>;
type Steppable = StatefulOptimizer & Pick<RMSProp, "step" | "iterations">;

/** Steps with gradients that depend on the parameters and the step; every third has none for the bias. */
function train(parameters: Parameters, optimizer: Steppable, from: number, to: number): void {
  for (let step = from; step < to; step++) {
    const weight = randomValues(20, 100 + step).map((x, i) => x + parameters.weight.data[i]!);
    const bias = step % 3 === 2 ? null : randomValues(4, 200 + step);
    optimizer.step({ weight, bias });
  }
}

function expectSameState(actual: OptimizerState, expected: OptimizerState): void {
  expect(actual.iterations).toBe(expected.iterations);
  expect(Object.keys(actual.parameters)).toEqual(Object.keys(expected.parameters));
  for (const [name, record] of Object.entries(expected.parameters)) {
    const own = actual.parameters[name]! as unknown as Record<string, unknown>;
    expect(Object.keys(own)).toEqual(Object.keys(record));
    for (const [key, value] of Object.entries(record)) {
      if (typeof value === "number") expect(own[key]).toBe(value);
      else expectSameBits(own[key] as Float32Array, value, `${key} of ${name}`);
    }
  }
}

const everything: RMSPropOptions = {
  learningRate: (iteration) => 0.1 / (1 + iteration),
  momentum: 0.9,
  nesterov: true,
  centered: true,
  biasCorrection: true,
  weightDecay: 0.01,
  globalClipNorm: 2,
};
const optimizers: [string, (core: Core, parameters: Parameters) => Steppable][] = [
  ["RMSProp", (core, parameters) => new RMSProp(core, parameters)],
  ["RMSProp with everything", (core, parameters) => new RMSProp(core, parameters, everything)],
  ["SGD", (core, parameters) => new SGD(core, parameters, { momentum: 0.9, dampening: 0.5 })],
  [
    "RMSProp with groups",
    (core, { weight, bias }) => {
      const optimizer = new RMSProp(core, [{ params: { weight }, momentum: 0.5 }, { params: { bias } }]);
      return {
        state: () => optimizer.state(),
        load: (state) => optimizer.load(state),
        step: (grads) => {
          const record = grads as unknown as { weight: Float32Array; bias: Float32Array };
          optimizer.step([{ weight: record.weight }, { bias: record.bias }]);
        },
        get iterations() {
          return optimizer.iterations;
        },
      };
    },
  ],
];

describe.each(backends)("on %s", (backend) => {
  describe.each(optimizers)("%s", (_, make) => {
    it("makes 50 steps and then 50 more with the bits of 100", () => {
      const core = makeCore(backend);
      const straight = makeParameters(core);
      const straightOptimizer = make(core, straight);
      train(straight, straightOptimizer, 0, 100);

      const first = makeParameters(core);
      const firstOptimizer = make(core, first);
      train(first, firstOptimizer, 0, 50);
      const bytes = saveCheckpoint({ parameters: first, optimizer: firstOptimizer });
      train(first, firstOptimizer, 50, 55); // what comes after saving has no part in it

      const otherCore = makeCore(backend);
      const second = makeParameters(otherCore, 77);
      const secondOptimizer = make(otherCore, second);
      loadCheckpoint(bytes, { parameters: second, optimizer: secondOptimizer });
      expect(secondOptimizer.iterations).toBe(50);
      train(second, secondOptimizer, 50, 100);

      expectSameBits(second.weight.data, straight.weight.data, "weight");
      expectSameBits(second.bias, straight.bias, "bias");
      expectSameState(secondOptimizer.state(), straightOptimizer.state());
    });
  });

  it("goes on with a network's training, its dropout and the order of its samples", async () => {
    const core = makeCore(backend);
    const x = randomValues(8 * 6, 5);
    const y = Float32Array.from({ length: 8 }, (_, row) => row % 3);
    const make = (seed: number) => {
      const model = new Sequential(core, [dense(6, 7), relu(), dropout(0.3), dense(7, 3)], { seed });
      const trainer = new Trainer(model, {
        loss: softmaxCrossEntropy(),
        optimizer: (parameters) => new RMSProp(core, parameters, { momentum: 0.9, centered: true }),
        seed,
      });
      const steps = (count: number) => Array.from({ length: count }, () => trainer.step(x, y));
      const fit = async (epochs: number) => {
        const losses: number[] = [];
        for await (const { loss } of trainer.fit({ x, y }, { epochs, batchSize: 3 })) losses.push(loss);
        return losses;
      };
      const target = { parameters: model.parameters, optimizer: trainer } satisfies CheckpointTarget;
      return { steps, fit, target };
    };
    const straight = make(1);
    const losses = straight.steps(100);
    const first = make(1);
    first.steps(50);
    const second = make(2);
    loadCheckpoint(saveCheckpoint(first.target), second.target);
    expect(second.steps(50)).toEqual(losses.slice(50));
    expect(saveCheckpoint(second.target)).toEqual(saveCheckpoint(straight.target));

    const epochs = await straight.fit(6);
    const firstEpochs = await second.fit(2);
    loadCheckpoint(saveCheckpoint(second.target), first.target);
    expect([...firstEpochs, ...(await first.fit(4))]).toEqual(epochs);
    expect(saveCheckpoint(first.target)).toEqual(saveCheckpoint(straight.target));
  });
});

describe("a checkpoint", () => {
  const core = makeCore("js");
  const trained = makeParameters(core);
  const optimizer = new RMSProp(core, trained, { momentum: 0.9 });
  train(trained, optimizer, 0, 5);
  const source = { parameters: trained, optimizer, metadata: { epoch: "5" } };
  const bytes = saveCheckpoint(source);

  it("is the same file for the same state, whatever the backend", () => {
    const wasm = makeCore("wasm");
    const parameters = makeParameters(wasm);
    const other = new RMSProp(wasm, parameters, { momentum: 0.9 });
    train(parameters, other, 0, 5);
    expect(saveCheckpoint({ ...source, parameters, optimizer: other })).toEqual(bytes);
  });

  it("holds parameters and state under the names that the guide gives", () => {
    const { tensors, metadata } = readSafetensors(bytes);
    expect(Array.from(tensors, ([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      ["weight", "F32", [5, 4]],
      ["bias", "F32", [4]],
      ["optimizer/parameters/weight/squareAverage", "F32", [20]],
      ["optimizer/parameters/weight/momentumBuffer", "F32", [20]],
      ["optimizer/parameters/bias/squareAverage", "F32", [4]],
      ["optimizer/parameters/bias/momentumBuffer", "F32", [4]],
    ]);
    expect(metadata.epoch).toBe("5");
    const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
    const about = JSON.parse(metadata.lanewise!);
    expect(about).toMatchObject({ format: 2, package: version });
    const counts = (iterations: number) => ({ iterations, squareAverage: null, momentumBuffer: null });
    expect(about.optimizer.state).toMatchObject({ iterations: 5, parameters: { weight: counts(5), bias: counts(4) } });
  });

  it("returns the metadata and the saved description", () => {
    const parameters = makeParameters(core);
    const torch = new RMSProp(core, parameters, { dialect: "pytorch", momentum: 0.9 });
    const file = saveCheckpoint({ ...source, optimizer: torch });
    const options = { learningRate: 0.01, momentum: 0.9 };
    expect(loadCheckpoint(file, { parameters, optimizer: torch })).toEqual({
      metadata: { epoch: "5" },
      optimizer: {
        optimizer: "RMSProp",
        dialect: "pytorch",
        groups: [{ parameters: ["weight", "bias"], options }],
      },
      loaded: ["weight", "bias"],
      missing: [],
      unexpected: [],
    });
  });

  it("is loaded for its parameters alone, into arrays too", () => {
    const arrays = { weight: new Float32Array(20), bias: new Float32Array(4) };
    loadCheckpoint(bytes, { parameters: arrays });
    expectSameBits(arrays.weight, trained.weight.data, "weight");
    expectSameBits(arrays.bias, trained.bias, "bias");
  });

  it("names the members of lists by their index, and a single parameter 0", () => {
    const list = [core.tensor([2], [1, 2]), Float32Array.of(3)];
    const saved = saveCheckpoint({ parameters: list, optimizer: new SGD(core, list, { momentum: 0.5 }) });
    expect([...readSafetensors(saved).tensors.keys()].slice(0, 2)).toEqual(["0", "1"]);
    const single = new Float32Array(3);
    const file = saveCheckpoint({ parameters: core.tensor([3], [4, 5, 6]) });
    loadCheckpoint(file, { parameters: single });
    expect(single).toEqual(Float32Array.of(4, 5, 6));
  });

  it("takes parameters from any safetensors file, of 16 bits too", () => {
    const { tensors } = readSafetensors(readFileSync(new URL("fixtures/dtypes.safetensors", import.meta.url)));
    const half = new Float32Array(7);
    const bf16 = tensors.get("bf16")!;
    loadCheckpoint(writeSafetensors([["x", bf16]]), { parameters: { x: half } });
    expectSameBits(half, bf16.data as Float32Array, "x");
  });

  it("keeps names like any other: __proto__, with slashes, with dots", () => {
    const make = () =>
      Object.fromEntries(["__proto__", "a/b", "0.weight", "constructor"].map((name, i) => [name, randomValues(3, i)]));
    const parameters = make();
    const first = new RMSProp(core, parameters);
    const step = (record: Record<string, Float32Array>) =>
      Object.fromEntries(Object.keys(record).map((name, i) => [name, randomValues(3, 50 + i)]));
    first.step(step(parameters));
    const again = make();
    const second = new RMSProp(core, again);
    loadCheckpoint(saveCheckpoint({ parameters, optimizer: first }), { parameters: again, optimizer: second });
    expectSameState(second.state(), first.state());
    for (const [name, values] of Object.entries(parameters)) expectSameBits(again[name]!, values, name);
  });

  it("takes whatever a state holds: numbers, flags and arrays, nested", () => {
    const state = {
      iterations: 3,
      cycle: { position: 1, open: true, sum: Float32Array.of(1, 2) },
      parameters: { x: { iterations: 3, anything: Float32Array.of(4) } },
    } as unknown as OptimizerState;
    const loaded: OptimizerState[] = [];
    const own: StatefulOptimizer = { state: () => state, load: (value) => loaded.push(value) };
    const parameters = { x: Float32Array.of(1) };
    loadCheckpoint(saveCheckpoint({ parameters, optimizer: own }), { parameters, optimizer: own });
    expect(loaded).toEqual([state]);
  });

  describe("that does not fit changes nothing:", () => {
    const { tensors, metadata } = readSafetensors(bytes);
    const about = JSON.parse(metadata.lanewise!);
    const without = (name: string) =>
      writeSafetensors(
        [...tensors].filter(([key]) => key !== name),
        metadata,
      );
    const withTensor = (name: string, length: number, shape = [length]) =>
      writeSafetensors(new Map(tensors).set(name, { shape, data: new Float32Array(length) }), metadata);
    const withAbout = (value: unknown) => writeSafetensors(tensors, { lanewise: JSON.stringify(value) });
    const withOptimizer = (value: unknown) => withAbout({ ...about, optimizer: value });
    const nested = JSON.parse(`${'{"a":'.repeat(2000)}1${"}".repeat(2000)}`);

    it.each<[string, Uint8Array, RegExp]>([
      ["a file cut off", bytes.subarray(0, -1), /data has/],
      ["no weight", without("weight"), /"weight" is missing/],
      ["another parameter", withTensor("gain", 1), /"gain" is not among the parameters, which are weight, bias/],
      ["another shape", withTensor("weight", 20, [4, 5]), /"weight" has shape \[4,5\], expected \[5,4\]/],
      ["another length", withTensor("bias", 5), /"bias" has shape \[5\], expected \[4\]/],
      [
        "another dtype",
        writeSafetensors(new Map(tensors).set("bias", { shape: [4], data: new Int32Array(4) }), metadata),
        /"bias" is of dtype I32, expected F32/,
      ],
      [
        "no state array",
        without("optimizer/parameters/bias/momentumBuffer"),
        /"optimizer\/parameters\/bias\/momentumBuffer" is missing/,
      ],
      [
        "a state array too many",
        withTensor("optimizer/parameters/bias/else", 4),
        /"optimizer\/parameters\/bias\/else" belongs to no state/,
      ],
      [
        "a state array of another length",
        withTensor("optimizer/parameters/bias/momentumBuffer", 3),
        /state\.parameters\.bias\.momentumBuffer is Float32Array\(3\)/,
      ],
      [
        "a state array of another dtype",
        writeSafetensors(
          new Map(tensors).set("optimizer/parameters/bias/squareAverage", { shape: [4], data: new Float64Array(4) }),
          metadata,
        ),
        /squareAverage is Float64Array\(4\)/,
      ],
      ["metadata that are no JSON", writeSafetensors(tensors, { lanewise: "{" }), /metadata\.lanewise is no JSON/],
      ["metadata that are no object", withAbout([1]), /metadata\.lanewise is Array\(1\)/],
      [
        "another format",
        withAbout({ ...about, format: 3 }),
        /format is 3, expected 1 or 2: the file is of a newer version/,
      ],
      ["no optimizer", withAbout({ format: 1 }), /has no state of an optimizer/],
      ["no metadata", writeSafetensors(tensors), /has no state of an optimizer/],
      ["an optimizer that is none", withOptimizer(3), /metadata\.lanewise\.optimizer is 3, expected an object/],
      ["an optimizer without state", withOptimizer({ state: 1 }), /optimizer\.state is 1, expected an object/],
      [
        "a description that is none",
        withOptimizer({ ...about.optimizer, description: { optimizer: "SGD", groups: [3] } }),
        /optimizer\.description\.groups\[0\] is 3, expected an object/,
      ],
      ["deep nesting", withOptimizer({ state: nested }), /nested deeper than 40 times/],
      [
        "another parameter's state",
        withOptimizer({ state: { ...about.optimizer.state, parameters: { gain: {} } } }),
        /weight\/squareAverage" belongs to no state/,
      ],
      [
        "steps that are no number",
        withOptimizer({ state: { ...about.optimizer.state, iterations: "5" } }),
        /state\.iterations is "5"/,
      ],
    ])("%s", (_, file, text) => {
      for (const backend of backends) {
        const own = makeCore(backend);
        const parameters = makeParameters(own, 9);
        const target = new RMSProp(own, parameters, { momentum: 0.9 });
        train(parameters, target, 0, 2);
        const state = target.state();
        const bias = parameters.bias.slice();
        expectUnchanged(own, () => loadCheckpoint(file, { parameters, optimizer: target }), CheckpointError, text);
        expect(parameters.bias).toEqual(bias);
        expectSameState(target.state(), state);
      }
    });

    it("another class or dialect", () => {
      const parameters = makeParameters(core, 9);
      const weight = parameters.weight.data.slice();
      const target = new RMSProp(core, parameters, { momentum: 0.9 });
      const load = (saved: Optimizer) => () =>
        loadCheckpoint(saveCheckpoint({ ...source, optimizer: saved }), { parameters, optimizer: target });
      const others = makeParameters(core, 9);
      expect(load(new Adam(core, others))).toThrow(/the state is of Adam, expected RMSProp \(lanewise\)/);
      expect(load(new RMSProp(core, others, { dialect: "pytorch", momentum: 0.9 }))).toThrow(
        /the state is of RMSProp \(pytorch\), expected RMSProp \(lanewise\)/,
      );
      expectSameBits(parameters.weight.data, weight, "weight");
      expect(target.iterations).toBe(0);
      load(optimizer)();
      expect(target.iterations).toBe(5);
    });

    it("options that need other arrays", () => {
      const parameters = makeParameters(core, 9);
      const target = new RMSProp(core, parameters, { centered: true });
      const load = () => loadCheckpoint(bytes, { parameters, optimizer: target });
      expect(load).toThrow(CheckpointError);
      expect(load).toThrow(/gradientAverage is missing/);
    });
  });

  it("refuses arguments that are none", () => {
    const parameters = makeParameters(core);
    expect(() => saveCheckpoint({ parameters: 3 as never })).toThrow(/parameters is 3, expected a Tensor/);
    expect(() => saveCheckpoint({ parameters: { w: [1] as never } })).toThrow(/parameters\.w is Array\(1\)/);
    for (const metadata of [new Map([["epoch", "1"]]), ["1"], "1", null]) {
      expect(() => saveCheckpoint({ parameters, metadata } as never)).toThrow(
        /metadata is .*, expected a plain object/,
      );
    }
    expect(() => saveCheckpoint({ parameters: new Map([["w", parameters.bias]]) } as never)).toThrow(
      /parameters is Map, expected a Tensor/,
    );
    for (const optimizer of [null, {}, 5]) {
      const message = /optimizer is .*, expected one with state\(\) and load\(\)/;
      expect(() => saveCheckpoint({ parameters, optimizer } as never)).toThrow(message);
      expect(() => loadCheckpoint(bytes, { parameters, optimizer } as never)).toThrow(message);
    }
    expect(() => saveCheckpoint({ parameters, optimiser: 1 } as never)).toThrow(/source\.optimiser is not an option/);
    expect(() => saveCheckpoint({ parameters: { "optimizer/x": parameters.bias } })).toThrow(OptionError);
    expect(() => saveCheckpoint({ parameters, metadata: { lanewise: "" } })).toThrow(/metadata\.lanewise is taken/);
    expect(() => loadCheckpoint("file" as never, { parameters })).toThrow(/bytes is "file", expected a Uint8Array/);
    expect(() => loadCheckpoint(bytes, { parameter: 1 } as never)).toThrow(/target\.parameter is not an option/);
    parameters.weight.dispose();
    expect(() => saveCheckpoint({ parameters })).toThrow(DisposedError);
    expect(() => loadCheckpoint(bytes, { parameters })).toThrow(/parameters\.weight of shape/);
  });
});

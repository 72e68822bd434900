import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { otherParts } from "../../../src/checkpoint/about.js";
import { writeCheckpoint } from "../../../src/checkpoint/checkpoint.js";
import {
  type LoadOptions,
  loadCheckpoint,
  readSafetensors,
  type StatefulOptimizer,
  type StoredTensor,
  saveCheckpoint,
  type TensorSource,
  writeSafetensors,
} from "../../../src/checkpoint/index.js";
import { pack, unpack } from "../../../src/checkpoint/plain.js";
import { Adam, CheckpointError, OptionError, RMSProp, SGD } from "../../../src/index.js";
import {
  type BufferSpec,
  dense,
  dropout,
  Layer,
  meanSquaredError,
  type PlanBuilder,
  relu,
  Sequential,
  Trainer,
  type Value,
} from "../../../src/nn/index.js";
import type { Shape } from "../../../src/tensor.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, expectUnchanged, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

const core = makeCore("js");

/** A body and a head, trained a little. */
function trained(seed: number, names = ["body", "head"], options = { momentum: 0.9 }) {
  const parameters = Object.fromEntries(names.map((name, i) => [name, core.tensor([2, 3], randomValues(6, seed + i))]));
  const optimizer = new RMSProp(core, parameters, options);
  for (let step = 0; step < 3; step++) {
    optimizer.step(Object.fromEntries(names.map((name, i) => [name, randomValues(6, seed + 10 * step + i)])));
  }
  return { parameters, optimizer };
}
const valuesOf = (parameters: Record<string, { data: Float32Array }>) =>
  Object.fromEntries(Object.entries(parameters).map(([name, { data }]) => [name, Array.from(data)]));

describe("partial loading", () => {
  const saved = trained(1);
  const bytes = saveCheckpoint(saved);
  const before = valuesOf(saved.parameters);
  const state = saved.optimizer.state().parameters;

  it("takes a list of names, with their state, and leaves the others", () => {
    const own = trained(50);
    const [values, states] = [valuesOf(own.parameters), own.optimizer.state().parameters];
    const report = loadCheckpoint(bytes, own, { names: ["body"] });
    expect(valuesOf(own.parameters)).toEqual({ body: before.body, head: values.head });
    expect(own.optimizer.state().parameters).toEqual({ body: state.body, head: states.head });
    expect(report).toMatchObject({ loaded: ["body"], missing: [] });
    expect([...report.unexpected].sort()).toEqual(["head", "optimizer/parameters/head"]);
  });

  it("takes a mapping to the names of the file, as a record or a function", () => {
    for (const names of [{ trunk: "body" }, (name: string) => (name === "trunk" ? "body" : undefined)]) {
      const own = trained(60, ["trunk", "classes"]);
      const values = valuesOf(own.parameters);
      expect(loadCheckpoint(bytes, own, { names }).loaded).toEqual(["trunk"]);
      expect(valuesOf(own.parameters)).toEqual({ trunk: before.body, classes: values.classes });
      expect(own.optimizer.state().parameters.trunk).toEqual(state.body);
    }
  });

  it("takes parameters that the optimizer does not have, such as buffers", () => {
    const buffers = (value: number) => ({ mean: core.tensor([2], [value, value]) });
    const file = saveCheckpoint({ ...saved, parameters: { ...saved.parameters, ...buffers(3) } });
    for (const options of [{}, { names: ["body", "mean"] }, { strict: false }]) {
      const own = trained(55);
      const { mean } = buffers(0);
      const report = loadCheckpoint(file, { ...own, parameters: { ...own.parameters, mean } }, options);
      expect(mean.toArray()).toEqual([3, 3]);
      expect(report.missing).toEqual([]);
      expect(own.optimizer.state().parameters.body).toEqual(state.body);
    }
  });

  it("may load one tensor into several parameters", () => {
    const own = trained(60, ["a", "b"]);
    loadCheckpoint(bytes, own, { names: () => "head" });
    expect(valuesOf(own.parameters)).toEqual({ a: before.head, b: before.head });
  });

  it("with strict: false leaves what the file lacks, and reports both sides", () => {
    const own = trained(70, ["body", "classes"]);
    const [values, states] = [valuesOf(own.parameters), own.optimizer.state().parameters];
    const { metadata, ...report } = loadCheckpoint(bytes, own, { strict: false });
    expect(metadata).toEqual({});
    expect(valuesOf(own.parameters)).toEqual({ body: before.body, classes: values.classes });
    expect(own.optimizer.state().parameters).toEqual({ body: state.body, classes: states.classes });
    expect(own.optimizer.iterations).toBe(3);
    expect(report.loaded).toEqual(["body"]);
    expect(report.missing).toEqual(["classes"]);
    expect(report.unexpected).toEqual(["head", "optimizer/parameters/head"]);
  });

  it("with strict: false takes the arrays that both optimizers have", () => {
    const own = trained(80, ["body", "head"], { momentum: 0, centered: true } as never);
    const states = own.optimizer.state().parameters;
    const report = loadCheckpoint(bytes, own, { strict: false });
    for (const name of ["body", "head"]) {
      expect(own.optimizer.state().parameters[name]).toEqual({
        iterations: 3,
        squareAverage: state[name]!.squareAverage,
        gradientAverage: states[name]!.gradientAverage,
      });
    }
    const at = (key: string) => ["body", "head"].map((name) => `optimizer/parameters/${name}/${key}`);
    expect(report.missing).toEqual(at("gradientAverage"));
    expect(report.unexpected).toEqual(at("momentumBuffer"));
  });

  it("with strict: false takes a file without an optimizer", () => {
    const own = trained(90);
    const states = own.optimizer.state();
    const file = saveCheckpoint({ parameters: saved.parameters });
    expect(loadCheckpoint(file, own, { strict: false }).missing).toContain("optimizer/iterations");
    expect(own.optimizer.state()).toEqual(states);
    expect(valuesOf(own.parameters)).toEqual(before);
  });

  it("takes what readSafetensors has made of a file", () => {
    const own = trained(95);
    loadCheckpoint(readSafetensors(bytes), own);
    expect(valuesOf(own.parameters)).toEqual(before);
  });

  it.each<[string, LoadOptions, RegExp]>([
    ["a name that is missing", { names: { body: "tail" } }, /"tail" is missing/],
    ["a shape that differs", { strict: false, names: { body: "wide" } }, /"wide" has shape \[6\], expected \[2,3\]/],
    ["another dtype", { strict: false, names: { body: "double" } }, /"double" is of dtype F64, .* or convert: true/],
    ["what is beyond float32", { names: { body: "huge" }, convert: true }, /"huge" has 1e\+300 at 5, which is beyond/],
    ["integers", { names: { body: "whole" }, convert: true }, /"whole" is of dtype I64, expected F32, F16 or BF16$/],
  ])("refuses %s, and changes nothing", (_, options, message) => {
    const { tensors, metadata } = readSafetensors(bytes);
    const shape = [2, 3];
    const file = writeSafetensors(
      new Map<string, TensorSource>(tensors)
        .set("wide", { shape: [6], data: new Float32Array(6) })
        .set("double", { shape, data: new Float64Array(6) })
        .set("huge", { shape, data: Float64Array.of(0, 0, 0, 0, 0, 1e300) })
        .set("whole", { shape, data: [1, 2, 3, 4, 5, 6], dtype: "I64" }),
      metadata,
    );
    for (const backend of backends) {
      const own = makeCore(backend);
      const parameters = { body: own.tensor([2, 3], randomValues(6, 4)) };
      const optimizer = new RMSProp(own, parameters, { momentum: 0.9 });
      expectUnchanged(own, () => loadCheckpoint(file, { parameters, optimizer }, options), CheckpointError, message);
    }
  });

  it.each<[string, object, RegExp]>([
    [
      "names of no parameter",
      { names: ["tail"] },
      /options\.names has "tail", which is none of the parameters body, head/,
    ],
    ["names that are none", { names: 3 }, /options\.names is 3, expected a list, a record or a function/],
    ["a source that is none", { names: { body: 3 } }, /options\.names\.body is 3, expected the name of a tensor/],
    ["strict that is no boolean", { strict: 1 }, /options\.strict is 1, expected true or false/],
    ["convert that is no boolean", { convert: "F64" }, /options\.convert is "F64"/],
    [
      "an unknown option",
      { strickt: false },
      /options\.strickt is not an option, did you mean strict\?; known are strict/,
    ],
    ["limits that are exceeded by none", { limits: { tensors: -1 } }, /limits\.tensors is -1/],
  ])("refuses %s", (_, options, message) => {
    expect(() => loadCheckpoint(bytes, trained(1), options)).toThrow(OptionError);
    expect(() => loadCheckpoint(bytes, trained(1), options)).toThrow(message);
  });

  it("keeps to limits", () => {
    expect(() => loadCheckpoint(bytes, saved, { limits: { tensors: 5 } })).toThrow(/more than 5 tensors/);
    expect(() => loadCheckpoint(bytes, saved, { limits: { headerBytes: 50 } })).toThrow(/expected at most 50/);
    expect(loadCheckpoint(bytes, saved, { limits: { tensors: 6 } }).loaded.length).toBe(2);
  });
});

describe("dtypes", () => {
  const parameters = { w: Float32Array.of(1, 0.1, -70_000, Number.NaN) };
  it("float64 is rounded when asked for, 16 bits are widened always", () => {
    const data = Float64Array.of(0.1, -0, 1e-50, Number.POSITIVE_INFINITY);
    const file = writeSafetensors([["w", { shape: [4], data }]]);
    const w = new Float32Array(4);
    loadCheckpoint(file, { parameters: { w } }, { convert: true });
    expectSameBits(w, Float32Array.from(data), "w");
  });

  it.each([
    ["F16", [1, 0.0999755859375, Number.NEGATIVE_INFINITY, Number.NaN]],
    ["BF16", [1, 0.10009765625, -70144, Number.NaN]],
  ] as const)("parameters are written as %s", (dtype, expected) => {
    const file = saveCheckpoint({ parameters, dtype });
    expect(readSafetensors(file).tensors.get("w")!.dtype).toBe(dtype);
    const w = new Float32Array(4);
    loadCheckpoint(file, { parameters: { w } });
    expectSameBits(w, Float32Array.from(expected), "w");
  });

  it("refuses 16 bits beside an optimizer, and other words", () => {
    const optimizer = new SGD(core, parameters);
    expect(() => saveCheckpoint({ parameters, optimizer, dtype: "F16" })).toThrow(
      /dtype is "F16", expected "F32" beside/,
    );
    expect(() => saveCheckpoint({ parameters, dtype: "F64" as never })).toThrow(/dtype is "F64", expected one of/);
  });

  it("every NaN leaves as 0x7fc00000, in parameters and in state", () => {
    const odd = new Float32Array(Uint32Array.of(0xffc00000, 0x7fa00001, 0x7fc12345, 0x3f800000).buffer);
    const state = { iterations: 1, parameters: { w: { iterations: 1, squareAverage: odd } } };
    const optimizer: StatefulOptimizer = { state: () => state, load() {} };
    const file = saveCheckpoint({ parameters: { w: odd }, optimizer });
    for (const { data } of readSafetensors(file).tensors.values()) {
      const bits = new Uint32Array((data as Float32Array).buffer);
      expect([...bits]).toEqual([0x7fc00000, 0x7fc00000, 0x7fc00000, 0x3f800000]);
    }
  });
});

describe("groups", () => {
  const make = (seed: number) => {
    const [weight, bias, gain] = [0, 1, 2].map((i) => core.tensor([3], randomValues(3, seed + i))) as [
      never,
      never,
      never,
    ];
    const records = [{ params: { weight } }, { params: { bias, gain }, learningRate: 0.1 }];
    const lists = [{ params: [weight] }, { params: [bias, gain], learningRate: 0.1 }, { params: new Float32Array(2) }];
    return { records, lists };
  };
  const gradient = () => core.tensor([3], [1, 2, 3]);
  it.each(["records", "lists"] as const)("of %s are saved and loaded under the optimizer's names", (kind) => {
    const first = make(1)[kind];
    const optimizer = new RMSProp(core, first);
    const grads =
      kind === "records" ? [{ weight: gradient() }, { gain: gradient() }] : [[gradient()], [null, gradient()]];
    optimizer.step(grads as never);
    const bytes = saveCheckpoint({ parameters: first, optimizer });
    const names = Object.keys(optimizer.state().parameters);
    expect([...readSafetensors(bytes).tensors.keys()].slice(0, names.length)).toEqual(names);
    const second = make(9)[kind];
    const resumed = new RMSProp(core, second);
    expect(loadCheckpoint(bytes, { parameters: second, optimizer: resumed }).loaded).toEqual(names);
    expect(resumed.state()).toEqual(optimizer.state());
    expect(saveCheckpoint({ parameters: second, optimizer: resumed })).toEqual(bytes);
  });

  it("with one name twice are refused", () => {
    const twice = [{ params: { w: new Float32Array(1) } }, { params: { w: new Float32Array(1) } }];
    expect(() => saveCheckpoint({ parameters: twice })).toThrow(
      /parameters\[1\]\.params\.w has the name "w", which another/,
    );
  });

  it("mixed with parameters are refused", () => {
    const mixed = [{ params: { w: new Float32Array(1) } }, new Float32Array(1)] as never;
    expect(() => saveCheckpoint({ parameters: mixed })).toThrow(
      /parameters\[1\] is Float32Array\(1\), expected a group/,
    );
  });
});

describe("a network", () => {
  /** A layer with a buffer, as normalization has. */
  class Statistics extends Layer {
    readonly kind = "statistics";
    override outputShape(input: Shape): Shape {
      return input;
    }
    override buffers(): readonly BufferSpec[] {
      return [{ name: "mean", shape: [3], value: 0.5 }];
    }
    override plan(builder: PlanBuilder, x: Value): Value {
      return builder.view(x, this.outputShape(x.shape));
    }
  }
  const make = (seed: number) => new Sequential(core, [dense(3, 3), new Statistics(), dense(3, 1)], { seed });

  it("is saved and loaded with its buffers", () => {
    const [first, second] = [make(1), make(2)];
    first.buffers["1.mean"]!.set([1, 2, 3]);
    const bytes = saveCheckpoint({ parameters: first });
    const { loaded } = loadCheckpoint(bytes, { parameters: second });
    expect(loaded).toEqual(["0.weight", "0.bias", "2.weight", "2.bias", "1.mean"]);
    expect(second.buffers["1.mean"]!.toArray()).toEqual([1, 2, 3]);
    expect(valuesOf(second.parameters)).toEqual(valuesOf(first.parameters));
    expect(() => loadCheckpoint(saveCheckpoint({ parameters: first.parameters }), { parameters: second })).toThrow(
      /"1\.mean" is missing/,
    );
  });
});

describe("a trainer's file", () => {
  const x = randomValues(12, 5);
  const y = randomValues(8, 6);
  const make = (seed: number) => {
    const model = new Sequential(core, [dense(3, 4), relu(), dropout(0.5), dense(4, 2)], { seed });
    const trainer = new Trainer(model, {
      loss: meanSquaredError(),
      optimizer: (parameters) => new RMSProp(core, parameters, { momentum: 0.9, learningRate: 0.01 }),
      seed,
    });
    const optimizer = trainer.optimizer as RMSProp;
    return { model, trainer, optimizer, parameters: model.parameters };
  };
  const first = make(1);
  for (let i = 0; i < 4; i++) first.trainer.step(x, y);

  it("is loaded into its optimizer alone", () => {
    const file = saveCheckpoint({ parameters: first.parameters, optimizer: first.trainer });
    const { parameters, optimizer } = make(2);
    const report = loadCheckpoint(file, { parameters, optimizer });
    expect(optimizer.state()).toEqual(first.optimizer.state());
    expect(report).toMatchObject({ missing: [], unexpected: ["optimizer/random"] });
  });

  it("may be an optimizer's: the trainer keeps its random numbers", () => {
    const file = saveCheckpoint({ parameters: first.parameters, optimizer: first.optimizer });
    const { parameters, trainer, optimizer } = make(2);
    const { random } = trainer.state();
    const report = loadCheckpoint(file, { parameters, optimizer: trainer });
    expect(trainer.state().random).toBe(random);
    expect(optimizer.state()).toEqual(first.optimizer.state());
    expect(report).toMatchObject({ missing: ["optimizer/random"], unexpected: [] });
  });

  it("of version 0.1.0 goes on with the losses that it went on with there", () => {
    const file = readFileSync(new URL("fixtures/lanewise-0.1.0.safetensors", import.meta.url));
    expect(JSON.parse(readSafetensors(file).metadata.lanewise!).format).toBe(1);
    const { parameters, trainer } = make(7);
    expect(loadCheckpoint(file, { parameters, optimizer: trainer }).metadata).toEqual({ epoch: "1" });
    const batch = Float32Array.from({ length: 12 }, (_, i) => i / 8 - 0.5);
    const targets = Float32Array.from({ length: 8 }, (_, i) => i / 4);
    const losses = [1.8056648969650269, 0.27844202518463135, 1.2814130783081055];
    expect(losses.map(() => trainer.step(batch, targets))).toEqual(losses);
  });

  it("is refused by an optimizer of another class, strict or not", () => {
    const file = saveCheckpoint({ parameters: first.parameters, optimizer: first.trainer });
    const optimizer = new Adam(core, first.parameters);
    for (const strict of [true, false]) {
      const load = () => loadCheckpoint(file, { parameters: first.parameters, optimizer }, { strict });
      expect(load).toThrow(/the state is of RMSProp .*, expected Adam/);
    }
  });
});

describe("plain data", () => {
  const trip = (value: unknown) => {
    const tensors = new Map<string, TensorSource>();
    const json = JSON.parse(JSON.stringify(pack(value, "a", tensors)));
    const bytes = writeSafetensors(tensors);
    const left = new Map<string, StoredTensor>(readSafetensors(bytes).tensors);
    const result = unpack(json, "a", left, true);
    expect(left.size).toBe(0);
    return result;
  };

  it("comes back as it was: what JSON lacks, arrays of all types, any keys", () => {
    const leaf = fc.oneof(
      fc.double(),
      fc.string(),
      fc.boolean(),
      fc.bigInt(),
      fc.constantFrom(null, Number.NaN, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
      fc.float32Array({ maxLength: 3 }),
      fc.float64Array({ maxLength: 3 }),
      fc.uint32Array({ maxLength: 3 }),
      fc.bigInt64Array({ maxLength: 3 }),
      fc.uint8Array({ maxLength: 3 }),
    );
    const key = fc
      .oneof(fc.constantFrom("$", "$$", "__proto__", "", "a", "0"), fc.string({ unit: "grapheme", maxLength: 3 }))
      .filter((text) => !text.includes("/"));
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(key, tie("tree"), { maxKeys: 3, noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        expect(trip(value)).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  it("drops members that are undefined, and keeps their places in lists", () => {
    expect(trip({ a: undefined, b: [undefined, 1] })).toEqual({ b: [undefined, 1] });
  });

  it.each<[string, unknown, RegExp]>([
    ["functions", { schedule: () => 1 }, /^a\/schedule is .*, expected plain data/],
    ["tensors", { x: core.tensor([1]) }, /a\/x is Tensor, expected plain data/],
    ["maps", [new Map()], /a\/0 is Map, expected plain data/],
    ["symbols", Symbol("s"), /a is Symbol\(s\), expected plain data/],
    [
      "two arrays of one path",
      { "x/y": new Float32Array(1), x: { y: new Float32Array(1) } },
      /both be stored as "a\/x\/y"/,
    ],
  ])("has no %s", (_, value, message) => {
    expect(() => pack(value, "a", new Map())).toThrow(OptionError);
    expect(() => pack(value, "a", new Map())).toThrow(message);
  });

  it("has no circles", () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    expect(() => pack(circle, "a", new Map())).toThrow(/nested deeper than 32 times/);
  });

  it.each([["then"], [3], [{}], [null]])("has no mark %j", (mark) => {
    const state = { iterations: { $: mark }, parameters: {} };
    const about = { format: 2, package: "9", optimizer: { state } };
    const load = () =>
      loadCheckpoint(writeSafetensors([], { lanewise: JSON.stringify(about) }), {
        parameters: {},
        optimizer: { state: () => ({ iterations: 0, parameters: {} }), load() {} },
      });
    expect(load).toThrow(CheckpointError);
    expect(load).toThrow(/"optimizer\/iterations" is marked as .*, which this version does not know/);
  });

  it("makes other parts of a file, which loadCheckpoint passes over", () => {
    const parameters = { w: Float32Array.of(5), "model/b": Float32Array.of(6) };
    const model = { layers: [{ kind: "dense", $: "later" }], table: Float32Array.of(1, 2), "a/b": [Uint8Array.of(3)] };
    const file = writeCheckpoint({ parameters, optimizer: new SGD(core, parameters) }, { model });
    const { tensors, metadata } = readSafetensors(file);
    expect([...tensors.keys()]).toContain("model/a/b/0");
    const w = new Float32Array(1);
    const report = loadCheckpoint(file, { parameters: { w, "model/b": new Float32Array(1) } });
    expect(report).toMatchObject({ loaded: ["w", "model/b"], unexpected: [] });
    expect(w).toEqual(Float32Array.of(5));
    const about = JSON.parse(metadata.lanewise!);
    expect(unpack(about.model, "model", new Map(tensors), true)).toEqual(model);
    expect(otherParts(about).map(([part]) => part)).toEqual(["model"]);
    // A tensor that no part has is no part's, whatever its name.
    const more = writeSafetensors(
      new Map<string, TensorSource>(tensors).set("model/else", { shape: [1], data: w }),
      metadata,
    );
    expect(() => loadCheckpoint(more, { parameters })).toThrow(/"model\/else" is not among the parameters/);
    expect(() => writeCheckpoint({ parameters }, { model: { b: w } })).toThrow(/would both be stored as "model\/b"/);
  });
});

describe("metadata that are hostile", () => {
  const parameters = { w: core.tensor([2], [1, 2]) };
  const optimizer = new RMSProp(core, parameters);
  const about = JSON.parse(readSafetensors(saveCheckpoint({ parameters, optimizer })).metadata.lanewise!);
  const { tensors } = readSafetensors(saveCheckpoint({ parameters, optimizer }));
  const values: unknown[] = [
    null,
    0,
    "",
    "x",
    true,
    [],
    {},
    [[]],
    { toString: 0 },
    { constructor: { name: { toString: 0 } } },
    { valueOf: {} },
    { $: "NaN" },
    { $: 1 },
    { length: 3 },

    -1,
  ];

  /** The paths of everything in a tree. */
  const pathsOf = (tree: unknown, path: string[] = []): string[][] =>
    typeof tree !== "object" || tree === null
      ? [path]
      : [path, ...Object.entries(tree).flatMap(([key, member]) => pathsOf(member, [...path, key]))];
  const replaced = (tree: unknown, [key, ...rest]: string[], value: unknown): unknown => {
    if (key === undefined) return value;
    const copy = structuredClone(tree) as Record<string, unknown>;
    copy[key] = replaced(copy[key], rest, value);
    return copy;
  };

  it("give CheckpointErrors and change nothing, whatever stands wherever", () => {
    const paths = pathsOf(about);
    expect(paths.length).toBeGreaterThan(10);
    let refused = 0;
    for (const path of paths) {
      for (const value of values) {
        const file = writeSafetensors(tensors, { lanewise: JSON.stringify(replaced(about, path, value)) });
        const state = optimizer.state();
        try {
          loadCheckpoint(file, { parameters, optimizer });
        } catch (error) {
          if (!(error instanceof CheckpointError))
            expect.fail(`${path.join(".")} = ${JSON.stringify(value)}: ${error}`);
          expect(optimizer.state()).toEqual(state);
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(paths.length * 5);
  });

  it.each<[string, string, RegExp]>([
    ["many values", `[${"{},".repeat(100_000)}{}]`, /has more than \d+ values, more than the file's tensors call for/],
    ["many strings", `[${'"",'.repeat(100_000)}""]`, /has more than \d+ values/],
    ["depth", "[".repeat(100_000), /nested deeper than 40 times/],
    ["a string without an end", `{"a":"${"\\".repeat(9)}`, /is no JSON/],
    ["nothing", "", /is no JSON/],
  ])("of %s are refused before they are parsed", (_, json, message) => {
    const file = writeSafetensors(tensors, { lanewise: json });
    expect(() => loadCheckpoint(file, { parameters })).toThrow(CheckpointError);
    expect(() => loadCheckpoint(file, { parameters })).toThrow(message);
  });
});

it("more parameters than a call has arguments are saved and loaded", () => {
  const make = (value: number) => Array.from({ length: 150_000 }, () => Float32Array.of(value));
  const parameters = make(0);
  const bytes = saveCheckpoint({ parameters: make(5) });
  const { loaded } = loadCheckpoint(bytes, { parameters });
  expect(loaded.length).toBe(150_000);
  expect(parameters.every(([value]) => value === 5)).toBe(true);
});

it("more tensors than a call has arguments may be unexpected", () => {
  const parameters = { w: Float32Array.of(1) };
  const optimizer = new SGD(core, parameters);
  const { tensors, metadata } = readSafetensors(saveCheckpoint({ parameters, optimizer }));
  const more = new Map(tensors);
  for (let i = 0; i < 200_000; i++) more.set(`${i % 2 ? "optimizer/" : ""}x${i}`, tensors.get("w")!);
  const { unexpected } = loadCheckpoint({ tensors: more, metadata }, { parameters, optimizer }, { strict: false });
  expect(unexpected.length).toBe(200_000);
});

it("a header that readers would refuse is not written", () => {
  const metadata = { text: "x".repeat(100_000_001) };
  let error: unknown;
  try {
    saveCheckpoint({ parameters: {}, metadata });
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(OptionError);
  expect((error as Error).message).toMatch(/make a header of at least \d+ bytes, expected at most 100000000/);
});

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nnFamily } from "../../../src/backend/families/nn.js";
import { loadCheckpoint, readSafetensors, saveCheckpoint, writeSafetensors } from "../../../src/checkpoint/index.js";
import {
  Adam,
  CheckpointError,
  LanewiseError,
  OptionError,
  RMSProp,
  type Shape,
  type Tensor,
} from "../../../src/index.js";
import type { PlanBuilder, Value } from "../../../src/nn/index.js";
import * as nn from "../../../src/nn/index.js";
import { makeCore } from "../../helpers/cores.js";
import { inputsOf, LAYER_CASES, modelOf } from "../../helpers/layer-cases.js";

// biome-ignore lint/suspicious/noExplicitAny: what a file says, to be changed at will
type Json = any;

const core = makeCore("js");
const layerNames = [
  ...readFileSync(new URL("../../../src/nn/index.ts", import.meta.url), "utf8").matchAll(
    /export \{([^}]*)\} from "\.\/layers\//g,
  ),
]
  .flatMap((match) => match[1]!.split(","))
  .map((name) => name.trim())
  .filter((name) => name !== "" && !name.startsWith("type "));

/** The file with its `lanewise` metadata changed. */
function edit(bytes: Uint8Array, change: (about: Record<string, Json>) => void): Uint8Array {
  const { tensors, metadata } = readSafetensors(bytes);
  const about = JSON.parse(metadata.lanewise!);
  change(about);
  return writeSafetensors(tensors, { ...metadata, lanewise: JSON.stringify(about) });
}

/** A residual network with a layer that is used twice and two outputs. */
function makeGraph(of = core) {
  const [a, b] = [nn.input([4]), nn.input([6])];
  const shared = nn.dense(5, { activation: "tanh", name: "shared" });
  const left = nn.batchNorm().apply(nn.dense(4, { activation: nn.gelu() }).apply(a));
  const joined = nn.add().apply([shared.apply(a), shared.apply(left)]);
  const head = nn.dense(2).apply(nn.concat().apply([nn.dropout(0.3).apply(joined), b]));
  return new nn.Model(of, { inputs: [a, b], outputs: [head, joined], seed: 3 });
}

const optimizer =
  (of = core) =>
  (parameters: Readonly<Record<string, Tensor>>) =>
    new RMSProp(of, parameters, { learningRate: 0.01, momentum: 0.9 });

describe("a model file", () => {
  it("has a case for every layer that is exported", () => {
    expect(layerNames.length).toBeGreaterThan(40);
    expect(Object.keys(LAYER_CASES).sort()).toEqual([...layerNames].sort());
  });

  it.each(layerNames)("makes %s again, with equal outputs", (name) => {
    for (const [i, each] of LAYER_CASES[name]!.entries()) {
      const model = modelOf(core, each);
      expect(model.layers[0]!.kind).toBe(name === "activation" ? ["relu", "tanh", "gelu"][i] : name);
      const bytes = nn.saveModel(model);
      const loaded = nn.loadModel(core, bytes, { layers: nn });
      expect(loaded.model.layers.map((layer) => layer.config())).toEqual(model.layers.map((layer) => layer.config()));
      expect(loaded.model.layers[0]!.name).toBe(model.layers[0]!.name);
      const xs = inputsOf(each, 3);
      const given = xs.length === 1 ? xs[0]! : xs;
      expect(loaded.model.predict(given).toArray()).toEqual(model.predict(given).toArray());
      expect(Buffer.compare(nn.saveModel(loaded.model), bytes)).toBe(0);
      model.dispose();
      loaded.model.dispose();
    }
  });

  it("has the graph: inputs, outputs, shared layers and names", () => {
    const model = makeGraph();
    const loaded = nn.loadModel(core, nn.saveModel(model), { layers: nn }).model;
    expect(Object.keys(loaded.parameters)).toEqual(Object.keys(model.parameters));
    expect(Object.keys(loaded.buffers)).toEqual(["1.movingMean", "1.movingVariance"]);
    expect(loaded.layers.map(({ kind }) => kind)).toEqual(model.layers.map(({ kind }) => kind));
    const xs = [new Float32Array(8).fill(0.3), new Float32Array(12).fill(-0.2)];
    const [mine, theirs] = [model.forward(xs), loaded.forward(xs)] as unknown as [Tensor[], Tensor[]];
    expect(theirs.map((y) => y.toArray())).toEqual(mine.map((y) => y.toArray()));
  });

  it("keeps the names of a Sequential in which a layer occurs twice", () => {
    const twice = nn.dense(3);
    const model = new nn.Sequential(core, [twice, nn.relu(), twice, nn.dense(1)], { inputShape: [3] });
    const loaded = nn.loadModel(core, nn.saveModel(model), { layers: { dense: nn.dense, relu: nn.relu } }).model;
    expect(Object.keys(loaded.parameters)).toEqual(["0.weight", "0.bias", "3.weight", "3.bias"]);
  });

  it.each([
    ["js", "wasm"],
    ["wasm", "js"],
  ] as const)("trains on with the same bits: saved on %s, loaded on %s", async (from, to) => {
    const run = (of: typeof core) => ({
      loss: [nn.meanSquaredError(), nn.meanSquaredError()],
      optimizer: optimizer(of),
      seed: 11,
    });
    const xs = [0, 1].map((i) => Float32Array.from({ length: 8 * (4 + 2 * i) }, (_, k) => Math.sin(k + i)));
    const ys = [2, 5].map((width) => Float32Array.from({ length: 8 * width }, (_, k) => Math.cos(k)));
    const [first, second] = [makeCore(from), makeCore(to)];
    const model = makeGraph(first);
    const trainer = new nn.Trainer(model, run(first));
    for (let i = 0; i < 3; i++) trainer.step(xs, ys);
    const bytes = nn.saveModel(model, { trainer });
    const loaded = nn.loadModel(second, bytes, { layers: nn, trainer: { ...run(second), seed: 0 } });
    expect(Buffer.compare(nn.saveModel(loaded.model, { trainer: loaded.trainer }), bytes)).toBe(0);
    await trainer.fit({ x: xs, y: ys }, { epochs: 2, batchSize: 3 });
    await loaded.trainer.fit({ x: xs, y: ys }, { epochs: 2, batchSize: 3 });
    expect(
      Buffer.compare(nn.saveModel(loaded.model, { trainer: loaded.trainer }), nn.saveModel(model, { trainer })),
    ).toBe(0);
    first.dispose();
    second.dispose();
  });

  it("has what else there is to say about the model", () => {
    const model = new nn.Sequential(core, [nn.dense(2, 1)]);
    const metadata = {
      labels: Array.from({ length: 50_000 }, (_, i) => `"word" ${i}`),
      mean: [0.1, -1e-7],
      none: null,
      deep: { a: [{ b: true }] },
      ü: "…",
    };
    expect(nn.loadModel(core, nn.saveModel(model, { metadata }), { layers: nn }).metadata).toEqual(metadata);
    expect(nn.loadModel(core, nn.saveModel(model), { layers: nn }).metadata).toBeUndefined();
    for (const [bad, message] of [
      [{ a: [Number.NaN] }, /^options\.metadata\.a\[0\] is NaN, expected JSON/],
      [{ a: new Float32Array(2) }, /^options\.metadata\.a is Float32Array\(2\), expected JSON/],
      [{ a: () => 0 }, /expected JSON/],
      [[undefined], /^options\.metadata\[0\] is undefined, expected JSON/],
      [JSON.parse('{"__proto__":1}'), /^options\.metadata\.__proto__ is 1, expected another key/],
    ] as const) {
      expect(() => nn.saveModel(model, { metadata: bad as nn.Json })).toThrow(message);
    }
    const cycle: Record<string, nn.Json> = {};
    cycle.self = cycle;
    expect(() => nn.saveModel(model, { metadata: cycle })).toThrow(/expected data nested at most 32 times/);
  });

  it("is a checkpoint, too", () => {
    const [a, b] = [new nn.Sequential(core, [nn.dense(2, 1)], { seed: 1 }), new nn.Sequential(core, [nn.dense(2, 1)])];
    const file = nn.saveModel(a, { metadata: { note: "x" } });
    expect(loadCheckpoint(file, { parameters: b }).loaded).toEqual(["0.weight", "0.bias"]);
    expect(b.predict([1, 2]).toArray()).toEqual(a.predict([1, 2]).toArray());
    expect(() => nn.loadModel(core, saveCheckpoint({ parameters: a }), { layers: nn })).toThrow(
      /^the file has no model, expected what saveModel returns/,
    );
    const half = readSafetensors(file);
    const tensors = [...half.tensors].map(([name, { shape, data }]) => [name, { shape, data, dtype: "BF16" }] as const);
    const loaded = nn.loadModel(core, writeSafetensors(tensors, half.metadata), { layers: nn });
    expect(loaded.model.parameters["0.weight"]!.data[0]).toBeCloseTo(a.parameters["0.weight"]!.data[0]!, 2);
  });

  it("makes a trainer without a state, if the file has none", () => {
    const file = nn.saveModel(new nn.Sequential(core, [nn.dense(2, 1)], { seed: 1 }));
    const options = { loss: nn.meanSquaredError(), optimizer: optimizer() };
    const { trainer } = nn.loadModel(core, file, { layers: nn, trainer: options });
    expect(trainer.optimizer.iterations).toBe(0);
    expect(trainer.step([1, 2], [1])).toBeGreaterThan(0);
  });

  it("takes layers of one's own by their function", () => {
    class Double extends nn.Layer {
      readonly kind = "double";
      readonly factor: number;
      constructor(factor: number) {
        super();
        this.factor = factor;
      }
      override config() {
        return [this.factor];
      }
      override outputShape(shape: Shape): Shape {
        return shape;
      }
      override plan(builder: PlanBuilder, x: Value): Value {
        const y = builder.value(x.shape);
        builder.call(nnFamily, "scale_f32", [x.size, this.factor, x, y], [x, y]);
        return y;
      }
    }
    const double = (factor: number) => new Double(factor);
    const model = new nn.Sequential(core, [nn.dense(2, 2), double(2.5)], { seed: 1 });
    const file = nn.saveModel(model);
    const loaded = nn.loadModel(core, file, { layers: { ...nn, double } }).model;
    expect(loaded.predict([1, 2]).toArray()).toEqual(model.predict([1, 2]).toArray());
    expect(() => nn.loadModel(core, file, { layers: nn })).toThrow(
      /^model\.layers\[1\]\.kind is "double", which is not among the functions in options\.layers$/,
    );
    expect(() => nn.loadModel(core, file, { layers: { ...nn, double: () => nn.relu() } })).toThrow(
      /^model\.layers\[1\] \(double\): options\.layers\.double returned something else than a layer of that kind$/,
    );
    const one = double(2.5);
    const two = nn.saveModel(new nn.Sequential(core, [double(1), double(1)], { inputShape: [2] }));
    expect(() => nn.loadModel(core, two, { layers: { double: () => one } })).toThrow(/returned a layer twice/);
  });

  it("does not write what it would refuse to read", () => {
    class Table extends nn.Layer {
      readonly kind = "table";
      override config() {
        return [Array.from({ length: 30_000 }, (_, i) => i)];
      }
      override outputShape(shape: Shape): Shape {
        return shape;
      }
      override plan(_: PlanBuilder, x: Value): Value {
        return x;
      }
    }
    const model = new nn.Sequential(core, [new Table()], { inputShape: [2] });
    expect(() => nn.saveModel(model)).toThrow(OptionError);
    expect(() => nn.saveModel(model)).toThrow(/^what is saved beside the tensors has more than \d+ values/);
  });

  it("refuses arguments by name", () => {
    const model = new nn.Sequential(core, [nn.dense(2, 1)]);
    const trainer = new nn.Trainer(new nn.Sequential(core, [nn.dense(2, 1)]), {
      loss: nn.meanSquaredError(),
      optimizer: optimizer(),
    });
    const file = nn.saveModel(model);
    for (const [run, message] of [
      [() => nn.saveModel({} as never), /^model is Object, expected a Sequential or a Model$/],
      [() => nn.saveModel(model, { trainer }), /^options\.trainer is Trainer, expected the trainer of this model$/],
      [() => nn.saveModel(model, { state: 1 } as never), /^options\.state is not an option/],
      [() => nn.loadModel({} as never, file, { layers: nn }), /^core is Object, expected a Core/],
      [() => nn.loadModel(core, file, {} as never), /^options\.layers is undefined, expected an object of functions/],
      [
        () => nn.loadModel(core, file, { layers: [nn.dense] as never }),
        /^options\.layers is Array\(1\), expected an object of functions/,
      ],
      [() => nn.loadModel(core, "x" as never, { layers: nn }), /^bytes is "x"/],
    ] as const) {
      expect(run).toThrow(OptionError);
      expect(run).toThrow(message);
    }
  });
});

describe("a model file of unknown origin", () => {
  const graph = makeGraph();
  const trainer = new nn.Trainer(graph, {
    loss: [nn.meanSquaredError(), nn.meanSquaredError()],
    optimizer: (parameters) => new Adam(core, parameters),
  });
  const good = nn.saveModel(graph, { trainer, metadata: { labels: ["a"] } });
  const load = (bytes: Uint8Array) =>
    nn.loadModel(core, bytes, {
      layers: nn,
      trainer: {
        loss: [nn.meanSquaredError(), nn.meanSquaredError()],
        optimizer: (parameters) => new Adam(core, parameters),
      },
    });

  const edits: readonly [string, (about: Record<string, Json>) => void, RegExp][] = [
    [
      "no model",
      ({ model }) => {
        model.version = 2;
      },
      /^model\.version is 2, expected 1$/,
    ],
    ["no field", ({ model }) => void delete model.nodes, /^model\.nodes is missing$/],
    [
      "more fields",
      ({ model }) => {
        model.code = 1;
      },
      /^model has "code", expected version, inputs/,
    ],
    [
      "no inputs",
      ({ model }) => {
        model.inputs = [];
      },
      /^model\.inputs is empty/,
    ],
    [
      "a size of 0",
      ({ model }) => {
        model.inputs[0] = [0];
      },
      /^model\.inputs\[0\]\[0\] is 0, expected an integer >= 1$/,
    ],
    [
      "a row of 4 TiB",
      ({ model }) => {
        model.inputs[0] = [2 ** 20, 2 ** 20];
      },
      /expected at most 1073741824 elements$/,
    ],
    [
      "many axes",
      ({ model }) => {
        model.inputs[0] = Array(40).fill(1);
      },
      /^model\.inputs\[0\] has 40 axes, expected at most 32$/,
    ],
    [
      "an unknown kind",
      ({ model }) => {
        model.layers[0].kind = "shell";
      },
      /^model\.layers\[0\]\.kind is "shell"/,
    ],
    [
      "a prototype's kind",
      ({ model }) => {
        model.layers[0].kind = "constructor";
      },
      /^model\.layers\[0\]\.kind is "constructor"/,
    ],
    [
      "__proto__ as kind",
      ({ model }) => {
        model.layers[0].kind = "__proto__";
      },
      /^model\.layers\[0\]\.kind is "__proto__"/,
    ],
    [
      "a function that is no layer's",
      ({ model }) => {
        model.layers[0].kind = "saveModel";
      },
      /^model\.layers\[0\] \(saveModel\): /,
    ],
    [
      "a class",
      ({ model }) => {
        model.layers[0].kind = "Trainer";
      },
      /^model\.layers\[0\] \(Trainer\): /,
    ],
    [
      "a function that rejects", // nor is there an unhandled rejection
      ({ model }) => {
        model.layers[0].kind = "findLearningRate";
      },
      /^model\.layers\[0\] \(findLearningRate\): options\.layers\.findLearningRate returned something else/,
    ],
    [
      "an initializer",
      ({ model }) => Object.assign(model.layers[0], { kind: "heNormal", args: [] }),
      /returned something else than a layer/,
    ],
    [
      "a nested kind",
      ({ model }) => {
        model.layers[0].args = [4, { activation: { kind: "toString", args: [] } }];
      },
      /^model\.layers\[0\]\.args\[1\]\.activation\.kind is "toString"/,
    ],
    [
      "a key __proto__",
      ({ model }) => {
        model.layers[0].args = [4, JSON.parse('{"__proto__":{"bias":false}}')];
      },
      /^model\.layers\[0\]\.args\[1\] has "__proto__"/,
    ],
    [
      "no arguments",
      ({ model }) => {
        model.layers[0].args = { 0: 4 };
      },
      /^model\.layers\[0\]\.args is Object, expected a list$/,
    ],
    [
      "a wrong argument",
      ({ model }) => {
        model.layers[0].args = ["4"];
      },
      /^model\.layers\[0\] \(\w+\): outputs is "4"/,
    ],
    [
      "a wrong size",
      ({ model }) => {
        model.layers[0].args = [1e9];
      },
      /^".*weight" has shape/,
    ],
    [
      "no name",
      ({ model }) => {
        model.layers[0].name = "";
      },
      /^model\.layers\[0\]\.name is ""/,
    ],
    [
      "a name twice",
      ({ model }) => {
        model.layers[1].name = model.layers[0].name;
      },
      /^model\.layers\[1\]\.name is /,
    ],
    [
      "another name",
      ({ model }) => {
        model.layers[0].name = "x";
      },
      /^"x\.weight" is missing$/,
    ],
    [
      "a layer outside",
      ({ model }) => {
        model.nodes[0].layer = 99;
      },
      /^model\.nodes\[0\]\.layer is 99, expected an integer from 0 to/,
    ],
    [
      "its own output",
      ({ model }) => {
        model.nodes[0].inputs = [2];
      },
      /^model\.nodes\[0\]\.inputs\[0\] is 2, expected an integer from 0 to 1$/,
    ],
    [
      "no tensors to read",
      ({ model }) => {
        model.nodes[0].inputs = [];
      },
      /^model\.nodes\[0\]\.inputs is empty/,
    ],
    [
      "an output outside",
      ({ model }) => {
        model.outputs[0] = 1.5;
      },
      /^model\.outputs\[0\] is 1\.5/,
    ],
    [
      "nodes for nothing",
      ({ model }) => {
        model.outputs = [0];
      },
      /^model\.nodes\[\d\] contributes to no output/,
    ],
    [
      "layers for nothing",
      ({ model }) => void model.layers.push({ kind: "relu", name: "z", args: [] }),
      /^model\.layers\[\d\] is in no node/,
    ],
    [
      "shapes that do not fit",
      ({ model }) => {
        model.inputs[0] = [3];
      },
      /^".*" has shape \[4,\d\], expected \[3,\d\]$/,
    ],
    [
      "metadata that are no JSON",
      (about) => {
        about.metadata = "{";
      },
      /^metadata is no JSON/,
    ],
    [
      "metadata that are no text",
      (about) => {
        about.metadata = 1;
      },
      /^metadata is 1, expected JSON$/,
    ],
    [
      "a prototype in metadata",
      (about) => {
        about.metadata = '{"__proto__":{"a":1}}';
      },
      /^metadata\.__proto__ is Object, expected another key$/,
    ],
    [
      "another optimizer",
      (about) => {
        about.optimizer.description.optimizer = "SGD";
      },
      /^the state is of SGD, expected Adam$/,
    ],
    [
      "random numbers that are none",
      (about) => {
        about.optimizer.state.random = "x";
      },
      /^state\.random is "x"/,
    ],
    ["no state", (about) => void delete about.optimizer.state.parameters, /./],
  ];
  it.each(edits)("with %s is refused, and leaves nothing", (_, change, message) => {
    const before = core.memory.bytesInUse;
    const bytes = edit(good, change);
    expect(() => load(bytes)).toThrow(CheckpointError);
    expect(() => load(bytes)).toThrow(message);
    expect(core.memory.bytesInUse).toBe(before);
  });

  it("leaves nothing when the trainer cannot be made", () => {
    const before = core.memory.bytesInUse;
    const loss = nn.meanSquaredError();
    expect(() => nn.loadModel(core, good, { layers: nn, trainer: { loss, optimizer: optimizer() } })).toThrow(
      /^loss has 1 entries, expected 2/,
    );
    const fails = () => {
      throw new Error("mine");
    };
    expect(() => nn.loadModel(core, good, { layers: nn, trainer: { loss: [loss, loss], optimizer: fails } })).toThrow(
      /^mine$/,
    );
    expect(core.memory.bytesInUse).toBe(before);
  });

  it("cannot double its shapes without end", () => {
    const x = nn.input([2]);
    let y = x;
    for (let i = 0; i < 20; i++) y = nn.concat().apply([y, y]);
    const file = nn.saveModel(new nn.Model(core, { inputs: x, outputs: y }));
    const more = edit(file, ({ model }) => {
      for (let i = 20; i < 60; i++) {
        model.layers.push({ kind: "concat", name: `m${i}`, args: [-1] });
        model.nodes.push({ layer: i, inputs: [i, i] });
      }
      model.outputs = [60];
    });
    expect(() => nn.loadModel(core, more, { layers: nn })).toThrow(
      /^the output of model\.nodes\[29\] \(concat\) is \[/,
    );
  });

  // Bytes, and the values of the architecture: what is loaded can be saved, everything else is an error of Lanewise.
  const survives = (bytes: Uint8Array) => {
    const before = core.memory.bytesInUse;
    let loaded: ReturnType<typeof load>;
    try {
      loaded = load(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(LanewiseError);
      expect((error as Error).message).not.toBe("");
      expect(core.memory.bytesInUse).toBe(before);
      return false;
    }
    nn.saveModel(loaded.model, { trainer: loaded.trainer });
    loaded.trainer.dispose();
    loaded.model.dispose();
    expect(core.memory.bytesInUse).toBe(before);
    return true;
  };

  it("with changed bytes is loaded whole or refused", () => {
    expect(survives(good)).toBe(true);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.boolean(), (at, byte, cuts) => {
        const bytes = cuts ? good.slice(0, at) : good.slice();
        if (!cuts) bytes[at] = byte;
        survives(bytes);
      }),
      { numRuns: 600 },
    );
    // The header alone: this is where the structure is.
    const header = 8 + Number(new DataView(good.buffer).getBigUint64(0, true));
    fc.assert(
      fc.property(fc.integer({ min: 8, max: header - 1 }), fc.nat(127), (at, byte) => {
        const bytes = good.slice();
        bytes[at] = byte;
        survives(bytes);
      }),
      { numRuns: 1500 },
    );
  });

  it("with a changed structure is loaded whole or refused", () => {
    const values = fc.oneof(
      fc.constantFrom<unknown>(null, true, -1, 0, 1, 2, 5, 1.5, 2 ** 31, 1e300, "", "dense", "relu", "__proto__", "nn"),
      fc.constantFrom<unknown>(
        [],
        {},
        [1],
        [2, 3],
        { kind: "relu", args: [] },
        { kind: "dense", args: [2] },
        { $: "NaN" },
      ),
      fc.constantFrom(...Object.keys(nn)),
    );
    let loaded = 0;
    fc.assert(
      fc.property(fc.nat(100_000), values, fc.constantFrom("set", "delete", "insert"), (at, value, how) => {
        const bytes = edit(good, (about) => {
          const places: [Json, string | number][] = [];
          const walk = (node: Json): void => {
            if (typeof node !== "object" || node === null) return;
            for (const key of Object.keys(node)) {
              places.push([node, Array.isArray(node) ? Number(key) : key]);
              walk(node[key]);
            }
          };
          walk(about.model);
          const [parent, key] = places[at % places.length]!;
          if (how === "set") parent[key] = value;
          else if (Array.isArray(parent))
            parent.splice(key as number, how === "delete" ? 1 : 0, ...(how === "delete" ? [] : [value]));
          else if (how === "delete") delete parent[key];
          else parent[`${key}2`] = value;
        });
        loaded += Number(survives(bytes));
      }),
      { numRuns: 1500 },
    );
    expect(loaded).toBeGreaterThan(0);
  });
});

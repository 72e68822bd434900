import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { strFromU8, unzipSync } from "fflate";
import { File } from "jsfive";
import { describe, expect, it } from "vitest";
import { CheckpointError, LanewiseError, OptionError } from "../../../src/index.js";
import * as nn from "../../../src/nn/index.js";
import { makeCore } from "../../helpers/cores.js";

// Written by reference/make-keras.py; `y` are Keras's results in float32.
interface Case {
  name: string;
  file: string;
  x: number[][];
  y: number[];
}
const { cases } = JSON.parse(readFileSync(new URL("reference/keras-models.json", import.meta.url), "utf8")) as {
  cases: Case[];
};
const core = makeCore("js");

// biome-ignore lint/suspicious/noExplicitAny: what a file says, to be changed at will
type Json = any;

function open({ file }: Case): { config: string; weights: nn.KerasFiles["weights"] } {
  const zip = unzipSync(gunzipSync(Buffer.from(file, "base64")));
  const { buffer } = zip["model.weights.h5"]!;
  return { config: strFromU8(zip["config.json"]!), weights: new File(buffer as ArrayBuffer) };
}

describe("a .keras file of Keras 3", () => {
  it.each(cases)("$name predicts what it predicts in Keras, and again from our file", (given) => {
    const model = nn.importKeras(core, open(given), { layers: nn });
    const again = nn.loadModel(core, nn.saveModel(model), { layers: nn }).model;
    for (const each of [model, again]) {
      const y = each.predict(given.x.length === 1 ? given.x[0]! : given.x).toArray() as number[][];
      const scale = Math.max(...given.y.map(Math.abs));
      for (const [i, value] of y.flat(3).entries()) expect(Math.abs(value - given.y[i]!)).toBeLessThan(3e-6 * scale);
      expect(y.flat(3).length).toBe(given.y.length);
      each.dispose();
    }
  });

  it("keeps the names of layers", () => {
    const model = nn.importKeras(core, open(cases[0]!), { layers: nn });
    expect(Object.keys(model.parameters)).toEqual(expect.arrayContaining(["first.weight", "another.bias"]));
    model.dispose();
  });

  it("needs no function for an activation that an option takes by name", () => {
    const { relu, tanh, sigmoid, softmax, activation, ...layers } = nn;
    for (const given of cases) nn.importKeras(core, open(given), { layers }).dispose();
  });

  const layer = (json: Json, name: string) => json.config.layers.find((each: Json) => each.config.name === name);
  const node = (json: Json, name: string) => layer(json, name).inbound_nodes[0];

  function load(index: number, change: (json: Json) => unknown, weights?: unknown): nn.Model {
    const files = open(cases[index]!);
    const config = JSON.parse(files.config);
    change(config);
    return nn.importKeras(core, { config, weights: (weights ?? files.weights) as never }, { layers: nn });
  }

  const edits: readonly [string, number, (json: Json) => unknown, RegExp][] = [
    ["a model of its own class", 0, (json) => Object.assign(json, { class_name: "Mine" }), /^class_name is "Mine"/],
    [
      "a layer of its own",
      0,
      (json) => Object.assign(layer(json, "first"), { module: "mine" }),
      /^config\.layers\[1\] is "Conv2D" of "mine", which has no layer here$/,
    ],
    [
      "an operation that is no layer here",
      2,
      (json) => Object.assign(layer(json, "add"), { class_name: "Multiply" }),
      /is "Multiply" of "keras\.src\.ops\.numpy"/,
    ],
    [
      "quantized weights",
      0,
      (json) => Object.assign(layer(json, "another").config, { quantization_config: {} }),
      /quantization_config is Object, expected none$/,
    ],
    [
      "a number in a sum",
      2,
      (json) => node(json, "add").args.splice(1, 1, 2),
      /inbound_nodes\[0\]\.args\[1\] is 2, expected an object$/,
    ],
    [
      "an argument that has no equal",
      2,
      (json) => Object.assign(node(json, "multi_head_attention").kwargs, { attention_mask: {} }),
      /kwargs\.attention_mask is Object, which has no equal here$/,
    ],
    [
      "two different layers for two directions",
      1,
      (json) => Object.assign(layer(json, "both").config.backward_layer.config, { activation: "relu" }),
      /\(Bidirectional\)\.backward_layer is Object, expected the same as layer$/,
    ],
    [
      "an axis that is kept",
      1,
      (json) => Object.assign(layer(json, "global_average_pooling1d").config, { keepdims: true }),
      /keepdims is true, expected false$/,
    ],
    [
      "more units than weights",
      0,
      (json) => Object.assign(layer(json, "another").config, { units: 1e9 }),
      /^"layers\/dense\/vars\/0" has shape \[96,6\], expected \[96,1000000000\]$/,
    ],
    [
      "a layer that has no weights in the file",
      0,
      (json) => json.config.layers.push(structuredClone(layer(json, "another"))),
      /as another layer's is$/,
    ],
  ];
  it.each(edits)("with %s is refused, and leaves nothing", (_, index, change, message) => {
    const before = core.memory.bytesInUse;
    expect(() => load(index, change)).toThrow(CheckpointError);
    expect(() => load(index, change)).toThrow(message);
    expect(core.memory.bytesInUse).toBe(before);
  });

  it("is refused if a library finds no numbers of the right shape", () => {
    const { weights } = open(cases[0]!);
    const spoilt = (change: (found: { shape: unknown; value: unknown }) => unknown) => ({
      get: (path: string) => {
        const { shape, value } = weights.get(path) as { shape: unknown; value: unknown };
        return change({ shape, value });
      },
    });
    const missing = new Error("not in the group");
    const refused: readonly [unknown, RegExp][] = [
      [{ get: () => null }, /^the weights have no data set "layers\/conv2d\/vars\/0"$/],
      [{ get: () => Promise.resolve({}) }, /^the weights have no data set/],
      [
        {
          get() {
            throw missing;
          },
        },
        /^the weights have no data set "layers\/conv2d\/vars\/0": not in the group$/,
      ],
      [spoilt(({ value }) => ({ shape: [1], value })), /has shape \[1\], expected \[3,3,2,6\]$/],
      [spoilt(({ shape }) => ({ shape, value: [1, 2] })), /expected 108 numbers$/],
      [spoilt(({ shape }) => ({ shape, value: Array(108).fill("1") })), /expected 108 numbers$/],
    ];
    for (const [file, message] of refused) {
      expect(() => load(0, () => {}, file)).toThrow(CheckpointError);
      expect(() => load(0, () => {}, file)).toThrow(message);
    }
    expect(() => load(0, () => {}, {})).toThrow(OptionError);
    expect(() => nn.importKeras(core, { config: "{", weights }, { layers: nn })).toThrow(/^config\.json is no JSON/);
    expect(() => nn.importKeras(core, open(cases[0]!), {} as never)).toThrow(OptionError);
  });

  it("takes typed arrays, as h5wasm returns them", () => {
    const { weights } = open(cases[0]!);
    const typed = {
      get: (path: string) => {
        const { shape, value } = weights.get(path) as { shape: number[]; value: number[] };
        return { shape, value: Float64Array.from(value) };
      },
    };
    const [model, other] = [load(0, () => {}, typed), load(0, () => {})];
    for (const [name, { data }] of Object.entries(other.parameters)) expect(model.parameters[name]!.data).toEqual(data);
    model.dispose();
    other.dispose();
  });

  it("with a changed structure is loaded whole or refused", () => {
    const values = fc.constantFrom<unknown>(null, true, -1, 0, 2, 1.5, "", "Dense", "add", "__proto__", [], {}, [[0]]);
    const texts = cases.map((each) => open(each));
    const before = core.memory.bytesInUse;
    let loaded = 0;
    fc.assert(
      fc.property(fc.nat(2), fc.nat(100_000), values, (index, at, value) => {
        const { config, weights } = texts[index]!;
        const json = JSON.parse(config);
        const places: [Json, string][] = [];
        const visit = (parent: Json) => {
          for (const key of Object.keys(parent)) {
            places.push([parent, key]);
            if (typeof parent[key] === "object" && parent[key] !== null) visit(parent[key]);
          }
        };
        visit(json);
        const [parent, key] = places[at % places.length]!;
        parent[key] = value;
        try {
          nn.importKeras(core, { config: json, weights }, { layers: nn }).dispose();
          loaded++;
        } catch (error) {
          expect(error).toBeInstanceOf(LanewiseError);
        }
        expect(core.memory.bytesInUse).toBe(before);
      }),
      { numRuns: 300, seed: 1 },
    );
    expect(loaded).toBeGreaterThan(0);
    expect(loaded).toBeLessThan(300);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CheckpointError, LanewiseError, OptionError } from "../../../src/index.js";
import * as nn from "../../../src/nn/index.js";
import { makeCore } from "../../helpers/cores.js";

// What TensorFlow.js itself writes and reads: tests/tfjs/layers-model.test.ts.

// biome-ignore lint/suspicious/noExplicitAny: what a file says, to be changed at will
type Json = any;

const core = makeCore("js");
const x = nn.input([6, 5, 2]);
const conv = nn.conv2d(3, { activation: "relu", name: "conv" }).apply(x);
const both = nn
  .add()
  .apply([nn.flatten().apply(nn.maxPool2d(2).apply(conv)), nn.flatten().apply(nn.maxPool2d(2).apply(conv))]);
const steps = nn.bidirectional(nn.lstm(2)).apply(nn.reshape([3, 2]).apply(both));
const good = nn.exportTfjs(
  new nn.Model(core, { inputs: x, outputs: nn.dense(2, { name: "head" }).apply(steps), seed: 1 }),
);

function load(change: (json: Json) => void, weights = good.weights): nn.Model {
  const modelJson = JSON.parse(JSON.stringify(good.modelJson));
  change(modelJson);
  return nn.importTfjs(core, { modelJson, weights }, { layers: nn });
}

const layer = (json: Json, name: string) => json.modelTopology.config.layers.find((each: Json) => each.name === name);

describe("a layers model of unknown origin", () => {
  it("is read", () => {
    const model = load(() => {});
    expect(nn.exportTfjs(model).weights).toEqual(good.weights);
    model.dispose();
  });

  const edits: readonly [string, (json: Json) => unknown, RegExp][] = [
    [
      "another class",
      (json) => Object.assign(json.modelTopology, { class_name: "Graph" }),
      /^class_name is "Graph", expected "Sequential"/,
    ],
    [
      "an unknown layer",
      (json) => Object.assign(layer(json, "head"), { class_name: "Lambda" }),
      /class_name is "Lambda", which has no layer here$/,
    ],
    [
      "channels first",
      (json) => Object.assign(layer(json, "conv").config, { data_format: "channels_first" }),
      /\(Conv2D\)\.data_format is "channels_first", expected "channels_last"/,
    ],
    [
      "an unknown activation",
      (json) => Object.assign(layer(json, "conv").config, { activation: "relu7" }),
      /\(Conv2D\)\.activation is "relu7", expected one of linear/,
    ],
    ["no units", (json) => delete layer(json, "head").config.units, /\(Dense\): .*outputs is/],
    [
      "huge units",
      (json) => Object.assign(layer(json, "head").config, { units: 1e9 }),
      /^"head\.weight" has shape \[4,2\], expected \[4,1000000000\]$/,
    ],
    [
      "a circle",
      (json) => Object.assign(layer(json, "conv"), { inbound_nodes: [[["head", 0, 0, {}]]] }),
      /which depends on itself$/,
    ],
    [
      "a layer that is not there",
      (json) => Object.assign(json.modelTopology.config, { output_layers: [["__proto__", 0, 0]] }),
      /^output_layers has "__proto__", expected the name of a layer$/,
    ],
    [
      "a node that is not there",
      (json) => Object.assign(json.modelTopology.config, { output_layers: [["head", 7, 0]] }),
      /inbound_nodes\[7\] is undefined, expected a list$/,
    ],
    [
      "no shape",
      (json) => delete json.modelTopology.config.layers[0].config.batch_input_shape,
      /batch_input_shape is undefined, expected a list$/,
    ],
    [
      "a weight of no layer",
      (json) => Object.assign(json.weightsManifest[0].weights[0], { name: "x/kernel" }),
      /^weight "x\/kernel" is of no layer/,
    ],
    [
      "int32 weights",
      (json) => Object.assign(json.weightsManifest[0].weights[0], { dtype: "int32" }),
      /dtype is "int32", expected "float32"$/,
    ],
    [
      "weights beyond the end",
      (json) => Object.assign(json.weightsManifest[0].weights[0], { shape: [1000] }),
      /ends at byte 4000, but the weights have \d+$/,
    ],
    [
      "an unknown quantization",
      (json) => Object.assign(json.weightsManifest[0].weights[0], { quantization: { dtype: "constructor" } }),
      /quantization\.dtype is "constructor"/,
    ],
    [
      "fewer weights",
      (json) => json.weightsManifest[0].weights.pop(),
      /^the weights have \d+ bytes, expected \d+ as weightsManifest says$/,
    ],
  ];
  it.each(edits)("with %s is refused, and leaves nothing", (_, change, message) => {
    const before = core.memory.bytesInUse;
    expect(() => load(change)).toThrow(CheckpointError);
    expect(() => load(change)).toThrow(message);
    expect(core.memory.bytesInUse).toBe(before);
  });

  it("makes layers by the functions that are given alone", () => {
    expect(() => nn.importTfjs(core, good, { layers: { conv2d: nn.conv2d } })).toThrow(
      /kind is "\w+", which is not among the functions in options\.layers$/,
    );
    expect(() => nn.importTfjs(core, good, {} as never)).toThrow(OptionError);
    expect(() => nn.importTfjs(core, { modelJson: "{", weights: [] }, { layers: nn })).toThrow(
      /^model\.json is no JSON/,
    );
  });

  it("with a changed structure is loaded whole or refused", () => {
    const values = fc.constantFrom<unknown>(
      null,
      true,
      -1,
      0,
      2,
      1.5,
      1e300,
      "",
      "Dense",
      "LSTM",
      "linear",
      "conv",
      "__proto__",
      [],
      {},
      [1],
      [[0]],
    );
    let loaded = 0;
    fc.assert(
      fc.property(fc.nat(100_000), values, fc.boolean(), (at, value, removes) => {
        const before = core.memory.bytesInUse;
        const change = (json: Json): void => {
          const places: [Json, string][] = [];
          const walk = (node: Json): void => {
            if (typeof node !== "object" || node === null) return;
            for (const key of Object.keys(node)) {
              places.push([node, key]);
              walk(node[key]);
            }
          };
          walk(json);
          const [parent, key] = places[at % places.length]!;
          if (removes) delete parent[key];
          else parent[key] = value;
        };
        try {
          load(change).dispose();
          loaded++;
        } catch (error) {
          expect(error).toBeInstanceOf(LanewiseError);
        }
        expect(core.memory.bytesInUse).toBe(before);
      }),
      { numRuns: 2000 },
    );
    expect(loaded).toBeGreaterThan(0);
  });
});

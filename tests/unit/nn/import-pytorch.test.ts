import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readSafetensors, writeSafetensors } from "../../../src/checkpoint/index.js";
import { CheckpointError, OptionError } from "../../../src/index.js";
import * as nn from "../../../src/nn/index.js";
import { makeCore } from "../../helpers/cores.js";

// Written by reference/make-torch.py; `exact` are PyTorch's results in float64.
interface Case {
  name: string;
  file: string;
  x: number[];
  y: number[];
  exact: number[];
}
const { cases } = JSON.parse(readFileSync(new URL("reference/torch-models.json", import.meta.url), "utf8")) as {
  cases: Case[];
};
const core = makeCore("js");
const sequence = { returnSequences: true };

/** The same models here, with names of their modules where these are not the numbers of an nn.Sequential. */
const MODELS: Readonly<Record<string, readonly [make: () => readonly nn.Layer[], shape: readonly number[]]>> = {
  images: [
    () => [
      nn.conv2d(4, {
        kernelSize: [3, 2],
        strides: [2, 1],
        padding: [
          [1, 1],
          [1, 1],
        ],
      }),
      nn.batchNorm({ eps: 1e-5 }),
      nn.prelu(),
      nn.depthwiseConv2d({ multiplier: 2, padding: "same" }),
      nn.groupNorm(2, { eps: 1e-5 }),
      nn.conv2d(4, { groups: 2 }),
      nn.relu(),
      nn.flatten(),
      nn.dense(5),
    ],
    [9, 7, 3],
  ],
  convTranspose: [() => [nn.conv2dTranspose(4, { strides: 2 })], [4, 5, 3]],
  sequences: [() => [nn.conv1d(4, { kernelSize: 2 }), nn.maxPool1d(2), nn.flatten(), nn.dense(2)], [7, 3]],
  flat: [
    () => [nn.conv1d(4, { kernelSize: 2 }), nn.flatten(), nn.batchNorm({ eps: 1e-5 }), nn.prelu(), nn.dense(2)],
    [7, 3],
  ],
  norms: [() => [nn.layerNorm({ eps: 1e-5 }), nn.dense(4, { bias: false }), nn.rmsNorm({ eps: 1e-6 })], [5]],
  embedding: [() => [nn.embedding(7, 3), nn.flatten(), nn.dense(2)], [4]],
  lstm: [() => [nn.lstm(4, sequence)], [5, 3]],
  gru: [() => [nn.gru(4, sequence)], [5, 3]],
  rnn: [() => [nn.simpleRnn(4, sequence)], [5, 3]],
  bidirectional: [() => [nn.bidirectional(nn.gru(4, sequence))], [5, 3]],
  attention: [() => [nn.multiHeadAttention(2)], [5, 6]],
};

const fileOf = (name: string) => Uint8Array.from(Buffer.from(cases.find((each) => each.name === name)!.file, "base64"));

function modelOf(name: string): nn.Sequential {
  const [make, inputShape] = MODELS[name]!;
  return new nn.Sequential(core, make(), { inputShape });
}

describe("importPytorch", () => {
  it("has a model for every case", () => {
    expect(cases.map(({ name }) => name).sort()).toEqual(Object.keys(MODELS).sort());
  });

  it.each(cases.map((each) => [each.name, each] as const))("predicts as PyTorch does: %s", (name, { x, y, exact }) => {
    const model = modelOf(name);
    nn.importPytorch(model, fileOf(name), { names: (own) => (name.match(/lstm|gru|rnn|bi|att/) ? "module" : own) });
    const found = model.predict(x).data;
    expect(found.length).toBe(y.length);
    // PyTorch's own error against float64 says how much rounding matters in this model; ours has other orders of sums.
    const largest = Math.max(...exact.map(Math.abs));
    const theirs = Math.max(...y.map((value, i) => Math.abs(value - exact[i]!)));
    const bound = 8 * theirs + 64 * 2 ** -24 * largest;
    for (const [i, value] of exact.entries()) expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(bound);
  });

  it("refuses what does not fit, and changes nothing", () => {
    const model = modelOf("norms");
    const before = nn.saveModel(model);
    const { tensors } = readSafetensors(fileOf("norms"));
    const changed = (change: (map: Map<string, { shape: readonly number[]; data: Float32Array }>) => void) => {
      const map = new Map(tensors) as unknown as Map<string, { shape: readonly number[]; data: Float32Array }>;
      change(map);
      return writeSafetensors(map as never);
    };
    const one = { shape: [1], data: new Float32Array(1) };
    for (const [file, message] of [
      [changed((map) => map.delete("0.bias")), /^"0\.bias" is missing$/],
      [changed((map) => map.set("1.bias", one)), /^the file has 1\.bias, which no layer takes$/],
      [changed((map) => map.set("1.weight", one)), /^"1\.weight" has shape \[1\], expected \[4,5\]$/],
      [
        changed((map) => map.set("0.bias", { shape: [5], data: new Float64Array(5) as never })),
        /^"0\.bias" is of dtype F64, expected F32, F16 or BF16$/,
      ],
    ] as const) {
      expect(() => nn.importPytorch(model, file)).toThrow(CheckpointError);
      expect(() => nn.importPytorch(model, file)).toThrow(message);
    }
    expect(Buffer.compare(nn.saveModel(model), before)).toBe(0);
    const gru = new nn.Sequential(core, [nn.gru(4, { resetAfter: false })], { inputShape: [5, 3] });
    expect(() => nn.importPytorch(gru, fileOf("gru"))).toThrow(/^layer 0 \(gru\): resetAfter is false, expected true/);
    expect(() => nn.importPytorch({} as never, fileOf("gru"))).toThrow(OptionError);
    const separable = new nn.Sequential(core, [nn.separableConv2d(2)], { inputShape: [5, 5, 1] });
    expect(() => nn.importPytorch(separable, fileOf("gru"))).toThrow(/kind "separableConv2d" have no module/);
  });

  it("orders the rows of a dense layer behind flattened images that were added or joined with others", () => {
    const [height, width, channels, rest] = [2, 3, 4, 5];
    const count = height * width * channels;
    const [a, b, c] = [nn.input([height, width, channels]), nn.input([height, width, channels]), nn.input([rest])];
    const sum = nn.add().apply([nn.flatten().apply(a), nn.reshape([count]).apply(nn.silu().apply(b))]);
    const joined = nn.concat().apply([nn.softmax().apply(sum), c]);
    const model = new nn.Model(core, {
      inputs: [a, b, c],
      outputs: nn.dense(1, { bias: false, name: "head" }).apply(joined),
    });
    const weight = Float32Array.from({ length: count + rest }, (_, i) => i + 1);
    nn.importPytorch(model, writeSafetensors([["head.weight", { shape: [1, count + rest], data: weight }]]));

    const found = Array.from(model.parameters["head.weight"]!.data);
    for (let place = 0; place < height * width; place++) {
      for (let channel = 0; channel < channels; channel++) {
        expect(found[place * channels + channel]).toBe(weight[channel * height * width + place]);
      }
    }
    expect(found.slice(count)).toEqual([...weight.slice(count)]);
  });

  const none = writeSafetensors([]);
  it.each<[string, nn.Layer[], readonly number[], RegExp]>([
    [
      "a groupNorm of what was flattened",
      [nn.flatten(), nn.groupNorm(2)],
      [2, 3, 4],
      /^layer 1 \(groupNorm\): its 2 gro/,
    ],
    [
      "one without parameters too",
      [nn.flatten(), nn.relu(), nn.groupNorm(2, { scale: false, center: false })],
      [2, 3, 4],
      /^layer 2 \(groupNorm\): .* expected 1 or 24 groups$/,
    ],
    [
      "a reshape of features to images",
      [nn.reshape([2, 3, 4])],
      [24],
      /^layer 0 \(reshape\): it makes \[2,3,4\] of \[24\]/,
    ],
    [
      "a reshape of what was flattened",
      [nn.flatten(), nn.reshape([6, 4])],
      [2, 3, 4],
      /^layer 1 \(reshape\): it makes/,
    ],
    ["a reshape of images that mixes channels", [nn.reshape([2, 12])], [2, 3, 4], /^layer 0 \(reshape\): it makes/],
  ])("refuses %s", (_, layers, inputShape, message) => {
    const model = new nn.Sequential(core, layers, { inputShape });
    const load = () => nn.importPytorch(model, none);
    expect(load).toThrow(OptionError);
    expect(load).toThrow(message);
  });

  it("takes those in which the order makes no difference", () => {
    const plain = { scale: false, center: false };
    for (const [layers, inputShape] of [
      [
        [nn.flatten(), nn.groupNorm(1, plain), nn.groupNorm(24, plain)],
        [2, 3, 4],
      ],
      [
        [nn.flatten(), nn.groupNorm(2, plain)],
        [1, 1, 4],
      ],
      [
        [nn.groupNorm(2, plain), nn.reshape([6, 4])],
        [2, 3, 4],
      ],
      [[nn.reshape([2, 3, 1]), nn.reshape([3, 2])], [6]],
    ] as const) {
      const model = new nn.Sequential(core, layers, { inputShape });
      expect(() => nn.importPytorch(model, none)).not.toThrow();
    }
  });
});

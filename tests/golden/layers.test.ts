import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createCore } from "../../src/entry/inline.js";
import * as nn from "../../src/nn/index.js";
import { SGD } from "../../src/optim/sgd.js";

// Layers and losses beside Keras 3 and PyTorch, which computed in float64 from the same float32 numbers.

interface LayerCase {
  name: string;
  kind: string;
  options: Record<string, number | boolean | string>;
  shapes: number[][];
  xs: number[][];
  dy: number[];
  parameters: Record<string, number[]>;
  y: number[];
  gradients: Record<string, number[]>;
  dxs: (number[] | null)[];
  buffers?: Record<string, number[]>;
  buffersAfter?: Record<string, number[]>;
  inference?: number[];
}

interface LossCase {
  name: string;
  kind: string;
  options: object;
  columns: number;
  y: number[];
  t: number[];
  loss: number;
  gradient: number[];
  weights?: number[];
}

const file = new URL("vectors/layers.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as { layers: LayerCase[]; losses: LossCase[] };

/** What the entry exports, by name. */
const exported = new Map<string, unknown>(Object.entries(nn));

function layerOf({ kind, options }: LayerCase): nn.Layer {
  const { groups, count, width, length, heads, outputs, axis, ...rest } = options as Record<string, number>;
  const sizes: Record<string, number[]> = {
    concat: [axis!],
    dense: [outputs!],
    groupNorm: [groups!],
    embedding: [count!, width!],
    positionalEmbedding: [length!],
    multiHeadAttention: [heads!],
  };
  const make = exported.get(kind) as (...args: unknown[]) => nn.Layer;
  const hasOptions = kind !== "add" && kind !== "concat";
  return make(...(sizes[kind] ?? []), ...(hasOptions ? [rest] : []));
}

/**
 * Fails unless every element is within `parts` millionths of the largest one of the reference: rounding errors of an
 * element grow with what it is a sum of, which is about as large as the others.
 */
function expectClose(
  actual: ArrayLike<number>,
  expected: readonly number[],
  what: string,
  parts = 2,
  scale: readonly number[] = expected,
): void {
  expect(actual.length, `${what}: length`).toBe(expected.length);
  const largest = scale.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (let i = 0; i < actual.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    if (!(error <= parts * 1e-6 * largest)) expect.fail(`${what}[${i}] is ${actual[i]}, expected ${expected[i]}`);
  }
}

const cores = { wasm: await createCore(), js: await createCore({ backend: "js" }) };

describe("layers, beside Keras and PyTorch", () => {
  it("has a case of each layer", () => {
    expect(new Set(vectors.layers.map(({ kind }) => kind)).size).toBe(27);
    expect(new Set(vectors.losses.map(({ kind }) => kind)).size).toBe(7);
  });

  for (const [backend, core] of Object.entries(cores)) {
    it.each(vectors.layers)(`$name, ${backend}`, (golden) => {
      // A mean of 1000 in float32 leaves x − mean three digits fewer.
      const parts = golden.name.includes("large mean") ? 2000 : 2;
      const inputs = golden.shapes.map((shape) => nn.input(shape));
      const outputs = layerOf(golden).apply(inputs.length === 1 ? inputs[0]! : inputs);
      using model = new nn.Model(core, { inputs, outputs });
      const names = Object.keys(golden.parameters).map((name) => `0.${name}`);
      expect(Object.keys(model.parameters).sort()).toEqual(names.sort());
      for (const [name, values] of Object.entries(golden.parameters)) model.parameters[`0.${name}`]!.set(values);
      for (const [name, values] of Object.entries(golden.buffers ?? {})) model.buffers[`0.${name}`]!.set(values);
      const xs = golden.xs.length === 1 ? golden.xs[0]! : golden.xs;
      const y = model.forward(xs, { training: true });
      expectClose(y.data, golden.y, "y", parts);
      const dx = model.backward(golden.dy) as unknown as ArrayLike<{ data: Float32Array }> | { data: Float32Array };
      golden.dxs.forEach((expected, i) => {
        const actual = golden.dxs.length === 1 ? (dx as { data: Float32Array }) : (dx as { data: Float32Array }[])[i]!;
        if (expected !== null) expectClose(actual.data, expected, `dx ${i}`, parts);
      });
      for (const [name, values] of Object.entries(golden.gradients)) {
        // A bias of keys moves all scores of a query alike, so its gradient is 0 but for roundings: theirs and ours.
        const scale = name === "key.bias" ? golden.gradients["key.weight"]! : values;
        expectClose(model.gradients[`0.${name}`]!.data, values, name, parts, scale);
      }
      for (const [name, values] of Object.entries(golden.buffersAfter ?? {})) {
        expectClose(model.buffers[`0.${name}`]!.data, values, name);
      }
      if (golden.inference) {
        using inferred = model.predict(xs);
        expectClose(inferred.data, golden.inference, "inference");
      }
    });
  }
});

describe("losses, beside Keras and PyTorch", () => {
  for (const [backend, core] of Object.entries(cores)) {
    it.each(vectors.losses)(`$name, ${backend}`, (golden) => {
      const { kind, options, columns, y, t, weights } = golden;
      // The parameters of the model are its output: a bias that is added to zeros, one for each element.
      const rows = y.length / columns;
      const x = nn.input([rows]);
      const outputs = nn.dense(columns, { bias: false }).apply(x);
      using model = new nn.Model(core, { inputs: x, outputs });
      model.parameters["0.weight"]!.set(y);
      const identity = Float32Array.from({ length: rows * rows }, (_, i) => Number(i % (rows + 1) === 0));
      const loss = (exported.get(kind) as (options?: object) => nn.Loss)(
        Object.keys(options).length > 0 ? options : undefined,
      );
      using trainer = new nn.Trainer(model, { loss, optimizer: (parameters) => new SGD(core, parameters) });
      const value = trainer.backward(identity, t, weights ? { sampleWeights: weights } : {});
      expectClose([value], [golden.loss], "loss", 0.5);
      expectClose(trainer.gradients["0.weight"]!.data, golden.gradient, "gradient", 0.5);
    });
  }
});

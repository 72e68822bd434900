import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as nn from "../../src/nn/index.js";
import { backends, makeCore } from "../helpers/cores.js";
import { fromHex } from "./vectors.js";

/** What Keras computed with one layer. */
interface LayerCase {
  layer: string;
  arguments: readonly unknown[];
  shape: readonly number[];
  outputShape: readonly number[];
  x: string;
  weights: readonly string[];
  y: string;
  dy: string;
  dx: string;
  dweights: readonly string[];
}

const file = new URL("vectors/images/keras3.json", import.meta.url);
const { rows, cases } = JSON.parse(readFileSync(file, "utf8")) as { rows: number; cases: readonly LayerCase[] };

/** Sums of at most 108 products below 1, in another order and another width. */
const TOLERANCE = 2 ** -17;

function expectNear(actual: ArrayLike<number>, hex: string, what: string): void {
  const expected = fromHex(hex);
  expect(actual.length, what).toBe(expected.length);
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(actual[i]! - value), `${what}[${i}] is ${actual[i]}, ${value} in Keras`).toBeLessThan(TOLERANCE);
  }
}

describe.each(backends)("layers over images on %s", (backend) => {
  it.each(cases.map((c, i) => [i, `${c.layer}(${JSON.stringify(c.arguments)})`, c] as const))("%i: %s", (_, __, c) => {
    const core = makeCore(backend);
    const make = (nn as unknown as Record<string, (...args: unknown[]) => nn.Layer>)[c.layer]!;
    const model = new nn.Sequential(core, [make(...c.arguments)], { inputShape: [...c.shape] });
    expect(model.outputShape).toEqual(c.outputShape);
    const parameters = Object.values(model.parameters);
    expect(parameters.length).toBe(c.weights.length);
    for (const [i, hex] of c.weights.entries()) parameters[i]!.set(fromHex(hex));
    expectNear(model.forward(core.tensor([rows, ...c.shape], fromHex(c.x))).data, c.y, "y");
    const dx = model.backward(core.tensor([rows, ...c.outputShape], fromHex(c.dy)));
    expectNear(dx.data, c.dx, "dx");
    for (const [i, hex] of c.dweights.entries())
      expectNear(Object.values(model.gradients)[i]!.data, hex, `dweights[${i}]`);
    core.dispose();
  });
});

// Random networks of every layer, trained by every optimizer: the same bits on every backend, for every number of threads.

import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import type { Core } from "../../src/core.js";
import { createCore, createCoreSync } from "../../src/entry/inline.js";
import { LanewiseError } from "../../src/index.js";
import { dense, flatten, type Layer, meanSquaredError, Sequential, Trainer } from "../../src/nn/index.js";
import { canWiden } from "../helpers/conformance.js";
import { eagerCore } from "../helpers/eager-core.js";
import { everyLayer } from "../helpers/every-layer.js";
import { everyOptimizer } from "../helpers/every-optimizer.js";
import { randomValues } from "../helpers/random.js";
import { FUZZ_TIMEOUT, fuzzing } from "../helpers/soak.js";

const reference = createCoreSync({ backend: "js" });
const others: Record<string, Core> = {
  simd: createCoreSync({ backend: "wasm" }),
  ...(canWiden && { wide: await createCore({ backend: "wasm", wide: true }) }),
  "2 threads": await eagerCore({ threads: 2 }),
  "3 threads": await eagerCore({ threads: 3 }),
  "4 threads": await eagerCore({ threads: 4 }),
};
afterAll(() => {
  for (const core of [reference, ...Object.values(others)]) core.dispose();
});

const layerNames = Object.keys(everyLayer);
const program = fc.record({
  first: fc.constantFrom(...layerNames),
  more: fc.array(fc.constantFrom(...layerNames), { maxLength: 3 }),
  optimizer: fc.constantFrom(...everyOptimizer.map(([name]) => name)),
  options: fc.record(
    {
      weightDecay: fc.constantFrom(0, 0.01),
      emaDecay: fc.constant(0.9),
      accumulationSteps: fc.integer({ min: 1, max: 3 }),
      onNonFinite: fc.constantFrom("propagate", "skip"),
    },
    { requiredKeys: [] },
  ),
  rows: fc.integer({ min: 1, max: 9 }),
  seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
});
type Program = typeof program extends fc.Arbitrary<infer T> ? T : never;

/** The bits of everything that a program leaves; an error's name and message if it is refused. */
function outcome(core: Core, { first, more, optimizer, options, rows, seed }: Program): string {
  const { bytesInUse } = core.memory;
  const { input, indices } = everyLayer[first]!;
  const size = input.reduce((a, b) => a * b, 1);
  const x = randomValues(rows * size, seed);
  if (indices !== undefined) for (let i = 0; i < x.length; i++) x[i] = Math.abs(Math.floor(x[i]! * 7)) % indices;
  let model: Sequential | undefined;
  let trainer: Trainer | undefined;
  try {
    const layers: Layer[] = [first, ...more].map((name) => everyLayer[name]!.make());
    model = new Sequential(core, [...layers, flatten(), dense(3)], { inputShape: input, seed });
    const Class = everyOptimizer.find(([name]) => name === optimizer)![1];
    trainer = new Trainer(model, {
      loss: meanSquaredError(),
      optimizer: (parameters) => new Class(core, parameters, options),
      seed,
    });
    const y = randomValues(rows * 3, seed + 1);
    const numbers = Array.from({ length: 3 }, () => trainer!.step(x, y));
    const predicted = model.predict(x);
    const arrays = [Float32Array.from(numbers), predicted.data, ...Object.values(model.parameters).map((p) => p.data)];
    // NaN's sign and payload are not part of the promise.
    const bits = arrays.map((array) =>
      Buffer.from(Uint32Array.from(array, (value) => (Number.isNaN(value) ? 0x7fc00000 : bitsOf(value))).buffer),
    );
    predicted.dispose();
    return Buffer.concat(bits).toString("base64");
  } catch (error) {
    if (error instanceof LanewiseError) return `${error.name}: ${error.message}`;
    throw error;
  } finally {
    trainer?.dispose();
    model?.dispose();
    core.scratch(0);
    expect(core.memory.bytesInUse).toBeLessThanOrEqual(bytesInUse + 2 ** 22); // the core's scratch and tables
  }
}

const word = new DataView(new ArrayBuffer(4));
function bitsOf(value: number): number {
  word.setFloat32(0, value);
  return word.getUint32(0);
}

let trained = 0;
it(
  "random programs give the same bits everywhere",
  () => {
    const check = fc.property(program, (each) => {
      const expected = outcome(reference, each);
      if (!/^[A-Z]\w+Error: /.test(expected)) trained++;
      for (const [name, core] of Object.entries(others)) {
        if (outcome(core, each) !== expected)
          expect.fail(`${name}: ${outcome(core, each).slice(0, 200)}, js: ${expected.slice(0, 200)}`);
      }
    });
    fc.assert(check, fuzzing(60));
    expect(trained).toBeGreaterThan(10);
  },
  FUZZ_TIMEOUT,
);

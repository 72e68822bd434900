// Random calls against a plain model: numbers are small integers, so that every result is exact.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Core } from "../../src/core.js";
import { LanewiseError, matmul, SGD, type Tensor } from "../../src/index.js";
import { backends, makeCore } from "../helpers/cores.js";
import { FUZZ_TIMEOUT, fuzzing } from "../helpers/soak.js";

/** What the tensors should hold; undefined once disposed. */
interface Model {
  tensors: ({ shape: [number, number]; values: number[] } | undefined)[];
}

interface Real {
  core: Core;
  tensors: Tensor[];
}

type Command = fc.Command<Model, Real>;

const BLOCK = 64;
const blocks = (elements: number): number => Math.max(BLOCK, Math.ceil((elements * 4) / BLOCK) * BLOCK);

/** Every tensor is what the model says, and nothing else is in use but scratch. */
function compare({ tensors }: Model, real: Real): void {
  let least = 0;
  for (const [i, expected] of tensors.entries()) {
    const tensor = real.tensors[i]!;
    if (expected === undefined) expect(() => tensor.data).toThrow(LanewiseError);
    else {
      expect(Array.from(tensor.data)).toEqual(expected.values);
      least += blocks(expected.values.length);
    }
  }
  const { bytesInUse } = real.core.memory;
  expect(bytesInUse).toBeGreaterThanOrEqual(least);
  expect(bytesInUse - least).toBeLessThan(2 ** 18);
}

/** A call that must be refused, after which not one byte has changed. */
function refused(model: Model, real: Real, call: () => unknown): void {
  const { buffer } = real.core.linearMemory;
  const before = Buffer.from(buffer.slice(0));
  const { bytesInUse } = real.core.memory;
  expect(call).toThrow(LanewiseError);
  expect(Buffer.from(real.core.linearMemory.buffer.slice(0, before.length)).equals(before)).toBe(true);
  expect(real.core.memory.bytesInUse).toBe(bytesInUse);
  compare(model, real);
}

const command = (name: string, run: (model: Model, real: Real) => void): Command => ({
  check: () => true,
  run(model, real) {
    run(model, real);
    compare(model, real);
  },
  toString: () => name,
});

const side = fc.integer({ min: 0, max: 20 });
const index = fc.nat(1000);
const value = (seed: number, i: number): number => ((seed + i * 7919) % 7) - 3;

const commands: fc.Arbitrary<Command>[] = [
  fc.tuple(side, side, fc.nat()).map(([m, n, seed]) =>
    command(`tensor(${m}, ${n})`, (model, real) => {
      const values = Array.from({ length: m * n }, (_, i) => value(seed, i));
      real.tensors.push(real.core.tensor([m, n], values));
      model.tensors.push({ shape: [m, n], values: Array.from(Float32Array.from(values)) });
    }),
  ),
  fc.tuple(index, fc.nat()).map(([i, seed]) =>
    command(`set(${i})`, (model, real) => {
      const at = i % Math.max(model.tensors.length, 1);
      const expected = model.tensors[at];
      if (expected === undefined) return;
      expected.values = expected.values.map((_, j) => value(seed, j));
      real.tensors[at]!.set((j) => value(seed, j));
    }),
  ),
  index.map((i) =>
    command(`dispose(${i})`, (model, real) => {
      const at = i % Math.max(model.tensors.length, 1);
      real.tensors[at]?.dispose();
      if (at in model.tensors) model.tensors[at] = undefined;
    }),
  ),
  fc.tuple(index, index, fc.boolean()).map(([i, j, scoped]) =>
    command(`matmul(${i}, ${j})`, (model, real) => {
      const count = Math.max(model.tensors.length, 1);
      const [a, b] = [model.tensors[i % count], model.tensors[j % count]];
      const [x, y] = [real.tensors[i % count], real.tensors[j % count]];
      if (x === undefined || y === undefined) return;
      if (a === undefined || b === undefined || a.shape[1] !== b.shape[0]) {
        refused(model, real, () => matmul(x, y));
        return;
      }
      const [[m, k], [, n]] = [a.shape, b.shape];
      const values = Array.from({ length: m * n }, (_, at) => {
        let sum = 0;
        for (let p = 0; p < k; p++) sum += a.values[Math.floor(at / n) * k + p]! * b.values[p * n + (at % n)]!;
        return sum;
      });
      if (values.some((each) => Math.abs(each) > 2 ** 20)) return; // would not stay exact for long
      const product = scoped ? real.core.scope(() => matmul(x, y)) : matmul(x, y);
      real.tensors.push(product);
      model.tensors.push({ shape: [m, n], values });
    }),
  ),
  fc.tuple(index, index).map(([i, j]) =>
    command(`step(${i}, ${j})`, (model, real) => {
      const count = Math.max(model.tensors.length, 1);
      const [a, b] = [model.tensors[i % count], model.tensors[j % count]];
      const [w, g] = [real.tensors[i % count], real.tensors[j % count]];
      if (a === undefined || w === undefined || g === undefined || a.values.length === 0) return;
      const optimizer = new SGD(real.core, w, { learningRate: 1 });
      const fits = b !== undefined && w !== g && String(a.shape) === String(b.shape);
      if (fits) {
        optimizer.step(g);
        a.values = a.values.map((each, at) => each - b.values[at]!);
      } else refused(model, real, () => optimizer.step(g));
      optimizer.dispose();
    }),
  ),
  fc
    .constantFrom<[string, (core: Core) => unknown]>(
      ["a shape of −1", (core) => core.tensor([-1])],
      ["a shape too large", (core) => core.tensor([2 ** 40])],
      ["a source too long", (core) => core.tensor([2], [1, 2, 3])],
      ["a source of strings", (core) => core.tensor([1], ["1"] as never)],
      ["a source that fails", (core) => core.tensor([3], ((i: number) => (i < 2 ? 0 : "x")) as never)],
      ["no parameters", (core) => new SGD(core, [])],
    )
    .map(([name, call]) => command(name, (model, real) => refused(model, real, () => call(real.core)))),
];

describe.each(backends)("random calls on %s", (backend) => {
  it(
    "do what a plain model does",
    () => {
      const check = fc.property(fc.commands(commands, { maxCommands: 60, size: "max" }), (list) => {
        const core = makeCore(backend, { memory: { initialBytes: 65536, maximumBytes: 2 ** 22 } });
        try {
          fc.modelRun(() => ({ model: { tensors: [] }, real: { core, tensors: [] } }), list);
        } finally {
          core.dispose();
        }
      });
      fc.assert(check, fuzzing(60));
    },
    FUZZ_TIMEOUT,
  );
});

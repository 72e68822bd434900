// What every optimizer that is exported must pass; a new one is examined without being named here.

import { describe, expect, it } from "vitest";
import { createCore } from "../../../src/entry/inline.js";
import * as lanewise from "../../../src/index.js";
import {
  CheckpointError,
  type Core,
  DisposedError,
  NonFiniteError,
  OptionError,
  OutOfMemoryError,
  type Tensor,
} from "../../../src/index.js";
import { Optimizer } from "../../../src/optim/optimizer.js";
import type { OptimizerState } from "../../../src/optim/state.js";
import { bitsOf, expectSameBits } from "../../helpers/bits.js";
import { backends, expectUnchanged, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

type Make = new (core: Core, params: unknown, options?: object) => Optimizer;

const optimizers = Object.entries(lanewise).filter(
  ([, value]) => typeof value === "function" && value.prototype instanceof Optimizer,
) as unknown as [string, Make][];

/** Matrices, which every optimizer takes. */
const SHAPES = { a: [4, 3], b: [2, 9] } as const;
const names = ["a", "b"] as const;
type Tensors = Record<(typeof names)[number], Tensor>;

function tensors(core: Core, seed: number): Tensors {
  return {
    a: core.tensor(SHAPES.a, randomValues(12, seed, 2)),
    b: core.tensor(SHAPES.b, randomValues(18, seed + 1, 2)),
  };
}

/** Makes steps with gradients of their own. */
function run(core: Core, optimizer: Optimizer, from: number, to: number): void {
  for (let step = from; step < to; step++) {
    const gradients = tensors(core, 1000 + 10 * step);
    optimizer.step(gradients);
    for (const name of names) gradients[name].dispose();
  }
}

function expectSameState(actual: OptimizerState, expected: OptimizerState): void {
  expect(Object.keys(actual.parameters)).toEqual(Object.keys(expected.parameters));
  for (const [name, { iterations, ...arrays }] of Object.entries(expected.parameters)) {
    const own = actual.parameters[name]!;
    expect(own.iterations).toBe(iterations);
    expect(Object.keys(own).sort()).toEqual(["iterations", ...Object.keys(arrays)].sort());
    for (const [key, values] of Object.entries(arrays)) {
      expectSameBits(own[key as "squareAverage"]!, values as Float32Array, `${name} ${key}`);
    }
  }
}

/** The options of a class, by what its own error message says. */
function optionsOf(Class: Make, core: Core, params: Tensors): string[] {
  try {
    new Class(core, params, { nonsense: 1 });
  } catch (error) {
    return /known are (.*)$/.exec((error as Error).message)![1]!.split(", ");
  }
  throw new Error("an unknown option was taken");
}

it("examines every optimizer", () => {
  const expected = ["AdaGrad", "Adafactor", "Adam", "AdamW", "Lion", "Muon", "NAdam", "RMSProp", "SGD"];
  expect(optimizers.map(([name]) => name).sort()).toEqual(expected);
});

describe.each(optimizers)("%s", (className, Class) => {
  describe.each(backends)("on %s", (backend) => {
    it("descends", () => {
      const core = makeCore(backend);
      const [params, target, gradients] = [tensors(core, 1), tensors(core, 2), tensors(core, 3)];
      const loss = () =>
        names.reduce((sum, name) => {
          const { data } = target[name];
          return sum + params[name].data.reduce((part, x, i) => part + (x - data[i]!) ** 2, 0);
        }, 0);
      const optimizer = new Class(core, params, { learningRate: 0.02 });
      const first = loss();
      for (let step = 0; step < 300; step++) {
        for (const name of names) {
          const goal = target[name].data;
          gradients[name].set(params[name].data.map((x, i) => x - goal[i]!));
        }
        optimizer.step(gradients);
      }
      expect(loss()).toBeLessThan(0.7 * first);
      expect(optimizer.iterations).toBe(300);
      expect(optimizer.description().optimizer).toBe(className);
    });

    it("refuses every option that is wrong, by its name, and changes nothing", () => {
      // All of it is compared some thousand times.
      const core = makeCore(backend, { memory: { initialBytes: 1 << 16 } });
      const params = tensors(core, 1);
      const optimizer = new Class(core, params);
      const keys = optionsOf(Class, core, params);
      expect(keys).toContain("learningRate");
      const fixed = new Set(["dialect", "initialScale"]);
      for (const key of keys) {
        for (const value of [{}, [], "wrong", Number.NaN, null]) {
          expectUnchanged(core, () => new Class(core, params, { [key]: value }), OptionError, new RegExp(`^${key}`));
          if (fixed.has(key)) continue;
          const change = () => optimizer.setOptions({ [key]: value } as object);
          expectUnchanged(core, change, OptionError, new RegExp(key));
        }
        const group = [{ params: params.a, [key]: Number.NaN }];
        const isOfSteps = ["onNonFinite", "accumulationSteps", "dialect"].includes(key);
        const message = isOfSteps ? new RegExp(`^params\\[0\\]\\.${key} is not an option`) : /^params\[0\]\./;
        expectUnchanged(core, () => new Class(core, group), OptionError, message);
      }
    });

    it("goes on from its state with the same bits, in the middle of an accumulation too", () => {
      const core = makeCore(backend);
      for (const options of [{}, { weightDecay: 0.1, emaDecay: 0.9 }, { accumulationSteps: 3 }]) {
        const [one, other] = [tensors(core, 1), tensors(core, 1)];
        const optimizer = new Class(core, one, options);
        run(core, optimizer, 0, 7);
        for (const name of names) other[name].set(one[name].data);
        const continued = new Class(core, other, options);
        continued.load(optimizer.state());
        expectSameState(continued.state(), optimizer.state());
        run(core, optimizer, 7, 13);
        run(core, continued, 7, 13);
        for (const name of names) expectSameBits(other[name].data, one[name].data, name);
        expectSameState(continued.state(), optimizer.state());
        expect(continued.iterations).toBe(optimizer.iterations);
      }
    });

    it("refuses a state that does not fit, and keeps its own", () => {
      const core = makeCore(backend);
      const optimizer = new Class(core, tensors(core, 1), { emaDecay: 0.5 });
      run(core, optimizer, 0, 2);
      const before = optimizer.state();
      const load = (change: (state: OptimizerState) => unknown) => () => {
        const state = structuredClone(before);
        change(state);
        optimizer.load(state);
      };
      for (const key of Object.keys(before.parameters.b!)) {
        const parameter = (state: OptimizerState) => state.parameters.b as unknown as Record<string, unknown>;
        expectUnchanged(
          core,
          load((state) => Reflect.deleteProperty(parameter(state), key)),
          CheckpointError,
          /is missing/,
        );
        expectUnchanged(
          core,
          load((state) => Object.assign(parameter(state), { [key]: [1] })),
          CheckpointError,
          new RegExp(key),
        );
      }
      expectUnchanged(
        core,
        load((state) => Reflect.deleteProperty(state.parameters, "a")),
        CheckpointError,
        /a is missing/,
      );
      expectSameState(optimizer.state(), before);
    });

    it("leaves what is frozen or has no gradient alone", () => {
      const core = makeCore(backend);
      const params = tensors(core, 1);
      const optimizer = new Class(core, params);
      run(core, optimizer, 0, 2);
      const [a, b] = [params.a.data.slice(), params.b.data.slice()];
      const state = optimizer.state();
      optimizer.freeze("a");
      const gradients = tensors(core, 5);
      optimizer.step({ a: gradients.a, b: null });
      expectSameBits(params.a.data, a, "frozen");
      expectSameBits(params.b.data, b, "no gradient");
      expectSameState(optimizer.state(), state);
      optimizer.unfreeze("a");
      optimizer.step({ a: gradients.a });
      expect(bitsOf(params.a.data)).not.toEqual(bitsOf(a));
      expectSameBits(params.b.data, b, "no gradient");
    });

    it("skips or refuses a step whose gradient is not finite", () => {
      const core = makeCore(backend);
      const params = tensors(core, 1);
      const gradients = tensors(core, 5);
      gradients.b.data[3] = Number.NaN;
      const skipping = new Class(core, params, { onNonFinite: "skip" });
      const throwing = new Class(core, params, { onNonFinite: "throw" });
      const state = skipping.state();
      const [a, b] = [params.a.data.slice(), params.b.data.slice()];
      skipping.step(gradients);
      expect(() => throwing.step(gradients)).toThrow(NonFiniteError);
      expectSameBits(params.a.data, a, "a");
      expectSameBits(params.b.data, b, "b");
      expectSameState(skipping.state(), state);
    });

    it("gives all its memory back, and refuses to be used afterwards", () => {
      const core = makeCore(backend);
      const params = tensors(core, 1);
      const { bytesInUse } = core.memory;
      const optimizer = new Class(core, params, { emaDecay: 0.9, accumulationSteps: 2 });
      optimizer.step({ a: new Float32Array(12), b: new Float32Array(18) });
      optimizer.setOptions({ weightDecay: 0.5 });
      optimizer.dispose();
      optimizer.dispose();
      expect(core.memory.bytesInUse).toBe(bytesInUse);
      for (const use of [() => optimizer.step({}), () => optimizer.state(), () => optimizer.learningRate]) {
        expect(use).toThrow(DisposedError);
      }
    });

    it("is what it was when memory runs out, wherever it does", () => {
      const core = makeCore(backend, { memory: { maximumBytes: 1 << 20 } });
      const params = { a: core.tensor([64, 64]), b: core.tensor([2, 9]) };
      const gradient = core.tensor([64, 64]);
      const full: number[] = [];
      const bytes = [1 << 16, 1 << 12, 64];
      for (const size of bytes) {
        for (let more = true; more; ) {
          try {
            full.push(core.allocate(size));
          } catch {
            more = false;
          }
        }
      }
      let failures = 0;
      let optimizer: Optimizer | undefined;
      for (; optimizer === undefined; core.release(full.pop()!)) {
        const { bytesInUse } = core.memory;
        try {
          optimizer = new Class(core, params, { emaDecay: 0.9, accumulationSteps: 2 });
        } catch (error) {
          expect(error).toBeInstanceOf(OutOfMemoryError);
          failures++;
          expect(core.memory.bytesInUse).toBe(bytesInUse);
        }
      }
      expect(failures).toBeGreaterThan(2);
      optimizer.step({ a: gradient });
    });

    it("follows the learning rates of groups and schedules", () => {
      const core = makeCore(backend);
      const params = tensors(core, 1);
      const a = params.a.data.slice();
      const optimizer = new Class(
        core,
        [
          { params: params.a, learningRate: 0 },
          { params: params.b, weightDecay: 0 },
        ],
        { learningRate: (iteration: number) => 0.01 / (iteration + 1) },
      );
      const gradients = tensors(core, 7);
      for (let step = 0; step < 3; step++) optimizer.step([gradients.a, { params: gradients.b }]);
      expectSameBits(params.a.data, a, "a learning rate of 0");
      expect(optimizer.learningRate).toBe(0.01 / 4);
    });

    it("updates rows alone, or says that it cannot", () => {
      const core = makeCore(backend);
      const params = tensors(core, 1);
      const before = params.a.data.slice();
      const optimizer = new Class(core, params, { weightDecay: 0 });
      const step = () => optimizer.stepRows("a", [2], Float32Array.of(1, -1, 0.5));
      if (className === "Adafactor" || className === "Muon") {
        expectUnchanged(core, step, OptionError, new RegExp(`element by element, ${className} does not`));
      } else {
        step();
        expectSameBits(params.a.data.subarray(0, 6), before.subarray(0, 6), "rows 0 and 1");
        expect(bitsOf(params.a.data.subarray(6, 9))).not.toEqual(bitsOf(before.subarray(6, 9)));
        expectSameBits(params.a.data.subarray(9), before.subarray(9), "row 3");
      }
    });
  });

  it("has the same bits on JavaScript, on Wasm and on threads", async () => {
    const cores = [
      await createCore({ backend: "js" }),
      await createCore({ backend: "wasm" }),
      await createCore({ backend: "wasm", threads: 2 }),
    ];
    const results = cores.map((core) => {
      // As many elements as threads need, and a side that is short, for Muon's products in JavaScript.
      const [short, long] = [60, 2250];
      const size = short * long;
      const params = {
        a: core.tensor([short, long], randomValues(size, 1)),
        b: core.tensor([long, short], randomValues(size, 2)),
      };
      const optimizer = new Class(core, params, { clipNorm: 3, weightDecay: 0.1, emaDecay: 0.9 });
      for (let step = 0; step < 2; step++) {
        optimizer.step({
          a: core.tensor([short, long], randomValues(size, 3 + step)),
          b: randomValues(size, 5 + step),
        });
      }
      const state = optimizer.state();
      const arrays = [params.a.data.slice(), params.b.data.slice()];
      core.dispose();
      return { arrays, state };
    });
    for (const { arrays, state } of results.slice(1)) {
      for (const [i, array] of arrays.entries()) expectSameBits(array, results[0]!.arrays[i]!, `parameter ${i}`);
      expectSameState(state, results[0]!.state);
    }
  }, 60_000);
});

describe("many parameters", () => {
  it.each(["list", "record"])(
    "150,000 in a %s are made, added, stepped, saved and loaded",
    (kind) => {
      const core = makeCore("wasm");
      const count = 150_000;
      const make = (start: number) => {
        const all = Array.from({ length: count }, (_, i) => core.tensor([1], [start + i]));
        return kind === "list" ? all : Object.fromEntries(all.map((tensor, i) => [`p${start + i}`, tensor]));
      };
      const params = make(0);
      const gradient = core.tensor([1], [1]);
      const gradients = (of: object) =>
        Array.isArray(of)
          ? of.map(() => gradient)
          : Object.fromEntries(Object.keys(of).map((name) => [name, gradient]));
      const optimizer = new lanewise.SGD(core, params, { learningRate: 1, momentum: 0.5 });
      optimizer.step(gradients(params));
      const more = make(count);
      optimizer.add(more);
      if (kind === "list") optimizer.step([gradients(params) as never, gradients(more) as never]);
      else optimizer.step({ ...gradients(params), ...gradients(more) } as never);
      const state = optimizer.state();
      expect(Object.keys(state.parameters).length).toBe(2 * count);
      optimizer.load(state);
      const last =
        kind === "list" ? (more as Tensor[])[count - 1]! : (more as Record<string, Tensor>)[`p${2 * count - 1}`]!;
      expect(last.data[0]).toBe(2 * count - 2);
      const { bytesInUse } = core.memory;
      optimizer.dispose();
      expect(core.memory.bytesInUse).toBeLessThan(bytesInUse);
      core.dispose();
    },
    60_000,
  );
});

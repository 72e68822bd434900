import { createHash } from "node:crypto";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { coreFamily } from "../../../src/backend/families/core.js";
import { sgdFamily } from "../../../src/backend/families/sgd.js";
import type { Core } from "../../../src/core.js";
import { createCoreSync } from "../../../src/entry/inline.js";
import {
  DisposedError,
  type LanewiseError,
  NonFiniteError,
  OptionError,
  OutOfMemoryError,
  ShapeError,
} from "../../../src/errors.js";
import type { Gradients } from "../../../src/optim/parameters.js";
import { RMSProp } from "../../../src/optim/rmsprop.js";
import { SGD } from "../../../src/optim/sgd.js";
import { expectSameBits } from "../../helpers/bits.js";
import { makeCore } from "../../helpers/cores.js";
import { withoutOptions } from "../../helpers/optimizer-state.js";
import { randomValues } from "../../helpers/random.js";

const gradient = (...values: number[]) => new Float32Array(values);

/** Replaces a core's kernels by ones that note their calls. */
function noteCalls(core: Core): string[] {
  const calls: string[] = [];
  const kernels: Record<string, (...args: number[]) => unknown> = {
    ...core.kernels(coreFamily),
    ...core.kernels(sgdFamily),
  };
  const noting = Object.entries(kernels).map(([name, kernel]) => [
    name,
    (...args: number[]) => {
      calls.push(name);
      return kernel(...args);
    },
  ]);
  Object.defineProperty(core, "kernels", { value: () => Object.fromEntries(noting) });
  return calls;
}

describe.each(["js", "wasm"] as const)("step on %s", (backend) => {
  it("takes gradients in every structure", () => {
    const core = createCoreSync({ backend });
    const run = (params: unknown, grads: unknown, read: () => ArrayLike<number>) => {
      const optimizer = new SGD(core, params as Float32Array, { learningRate: 1 });
      optimizer.step(grads as Gradients);
      expect([...Array.from(read())]).toEqual([-1, -2]);
      optimizer.dispose();
    };
    const t = () => core.tensor([2]);
    const g = () => core.tensor([2], [1, 2]);
    const a = () => new Float32Array(2);
    for (const param of [t(), a()]) {
      const read = () => ("data" in param ? param.data : param);
      for (const grad of [g(), gradient(1, 2), runInNewContext("new Float32Array([1, 2])")]) {
        const reset = () => read().fill(0);
        for (const [params, grads] of [
          [param, grad],
          [[param], [grad]],
          [
            [t(), param],
            [null, grad],
          ],
          [
            [t(), param, t()],
            [undefined, grad],
          ],
          [{ w: param, b: t() }, { w: grad }],
          [
            { w: param, b: t() },
            { b: null, w: grad },
          ],
          [[{ params: param }], [grad]],
          [[{ params: param }], [{ params: grad }]],
          [
            [{ params: t() }, { params: [param] }],
            [null, [grad]],
          ],
          [
            [{ params: t() }, { params: [param] }],
            [{ params: undefined }, { params: [grad] }],
          ],
          [[{ params: { w: param } }, { params: t() }], [{ w: grad }]],
          [
            [{ params: { w: param } }, { params: t() }],
            [{ params: { w: grad } }, undefined],
          ],
          [[{ params: { params: param } }], [{ params: grad }]],
        ]) {
          reset();
          run(params, grads, read);
        }
      }
    }
  });

  it("a tensor's gradient may be a tensor of its shape or a flat array, an array's any tensor of its size", () => {
    const core = createCoreSync({ backend });
    const matrix = core.tensor([2, 3]);
    const array = new Float32Array(6);
    const optimizer = new SGD(core, { matrix, array }, { learningRate: 1 });
    optimizer.step({ matrix: core.tensor([2, 3], () => 1), array: core.tensor([3, 2], () => 1) });
    optimizer.step({ matrix: new Float32Array(6).fill(1), array: core.tensor([6], () => 1) });
    expect([...matrix.data, ...array]).toEqual(new Array(12).fill(-2));
  });

  it("without a gradient leaves value, state and count of steps alone", () => {
    const core = createCoreSync({ backend });
    const [a, b] = [gradient(1), gradient(1)];
    const optimizer = new RMSProp(core, { a, b }, { momentum: 0.9, biasCorrection: true, learningRate: 0.1 });
    optimizer.step({ a: gradient(1), b: gradient(1) });
    const before = optimizer.state();
    optimizer.step({ a: gradient(1) });
    const after = optimizer.state();
    expect(optimizer.iterations).toBe(2);
    expect(after.parameters.a!.iterations).toBe(2);
    expect(after.parameters.b).toEqual(before.parameters.b);
    expect(b[0]).not.toBe(1);
    // b's second step is its second, whatever others did in between.
    optimizer.step({ b: gradient(1) });
    expectSameBits(b, a, "the same gradients give the same path");
    optimizer.step({});
    expect(optimizer.iterations).toBe(4);
    expect(optimizer.state().parameters.a!.iterations).toBe(2);
  });

  it("updates arrays in place, whoever else writes to them, and whether or not memory grows", () => {
    const core = createCoreSync({ backend, memory: { initialBytes: 65536 } });
    const array = randomValues(100, 1);
    const tensor = core.tensor([100], array);
    const [byArray, byTensor] = [
      new RMSProp(core, array, { momentum: 0.5 }),
      new RMSProp(core, tensor, { momentum: 0.5 }),
    ];
    for (let i = 0; i < 6; i++) {
      const grad = randomValues(100, i);
      byArray.step(grad);
      byTensor.step(core.tensor([100], grad));
      core.tensor([20000]);
      array[i] = 5;
      tensor.data[i] = 5;
      expectSameBits(array, tensor.data, `step ${i}`);
    }
    expect(core.memory.bytesReserved).toBeGreaterThan(400000);
  });

  it("takes an array as its own gradient, since that is copied", () => {
    const core = createCoreSync({ backend });
    const w = gradient(1, 2, 4);
    new SGD(core, w, { learningRate: 0.5 }).step(w);
    expect([...w]).toEqual([0.5, 1, 2]);
  });

  it("is one call of one kernel, whatever the number of parameters", () => {
    const core = createCoreSync({ backend });
    const calls = noteCalls(core);
    const params = Array.from({ length: 40 }, (_, i) => (i % 2 ? core.tensor([i]) : new Float32Array(i)));
    const optimizer = new RMSProp(core, [
      { params: params.slice(0, 9) },
      { params: params.slice(9), globalClipNorm: 1 },
    ]);
    expect(calls).toEqual([]);
    const grads = params.map((_, i) => new Float32Array(i).fill(1));
    optimizer.step([grads.slice(0, 9), { params: grads.slice(9) }]);
    optimizer.step([null]);
    new SGD(core, params).step(grads);
    const table = core.tensor([3, 2]);
    new SGD(core, table, { emaDecay: 0.5 }).stepRows("0", [0, 2], new Float32Array(4));
    const accumulating = new SGD(core, table, { accumulationSteps: 2 });
    for (let i = 0; i < 2; i++) accumulating.step(new Float32Array(6));
    expect(calls).toEqual([
      ...["rmsprop_f32", "rmsprop_f32", "sgd_f32", "sgd_f32"],
      ...["accumulate_f32", "accumulate_f32", "sgd_f32"],
    ]);
  });

  it("clips by the norm over all groups, each to its own bound", () => {
    const core = createCoreSync({ backend });
    const [a, b, c] = [gradient(0), gradient(0), gradient(0)];
    const groups = [{ params: a, globalClipNorm: 1 }, { params: b, globalClipNorm: 2.5 }, { params: c }];
    new SGD(core, groups, { learningRate: 1 }).step([gradient(-3), gradient(-4), gradient(0)]);
    expect([a[0], b[0], c[0]]).toEqual([Math.fround(3 * Math.fround(0.2)), 2, 0]);
  });

  describe("after an error everything is as it was", () => {
    const core = createCoreSync({ backend });
    const w1 = core.tensor([2, 3], randomValues(6, 1));
    const w2 = randomValues(5, 2);
    const w3 = core.tensor([4], randomValues(4, 3));
    let rate = 0.1;
    const optimizer = new RMSProp(core, { w1, w2, w3 }, { momentum: 0.9, centered: true, learningRate: () => rate });
    const good = { w1: core.tensor([2, 3], randomValues(6, 4)), w2: randomValues(5, 5), w3: randomValues(4, 6) };
    optimizer.step(good);
    const gone = core.tensor([2, 3]);
    gone.dispose();
    const foreign = createCoreSync({ backend }).tensor([2, 3]);

    const snapshot = () => ({
      memory: createHash("sha256").update(new Uint8Array(core.linearMemory.buffer)).digest("hex"),
      w2: w2.slice(),
      inUse: core.memory.bytesInUse,
      iterations: optimizer.iterations,
    });

    it.each<[string, unknown, new (...args: never[]) => LanewiseError, string]>([
      ["no record", [good.w1], OptionError, "grads is Array(1), expected a record"],
      ["a tensor in place of a record", good.w1, OptionError, "grads is Tensor, expected a record"],
      ["an unknown name", { ...good, w4: good.w1 }, OptionError, "grads.w4 is not a parameter; known are w1, w2, w3"],
      ["another shape", { ...good, w1: core.tensor([3, 2]) }, ShapeError, "grads.w1 has shape [3,2], expected [2,3]"],
      ["another rank", { ...good, w1: core.tensor([6]) }, ShapeError, "grads.w1 has shape [6]"],
      ["another length", { ...good, w3: new Float32Array(5) }, ShapeError, "grads.w3 has 5 elements, expected 4"],
      [
        "a tensor of another size for an array",
        { ...good, w2: core.tensor([6]) },
        ShapeError,
        "grads.w2 has shape [6]",
      ],
      ["a disposed tensor", { ...good, w1: gone }, DisposedError, "grads.w1 of shape [2,3]"],
      ["a tensor of another core", { ...good, w1: foreign }, OptionError, "grads.w1 is a tensor of another core"],
      ["the parameter itself", { ...good, w1 }, OptionError, "grads.w1 is a parameter itself"],
      [
        "another parameter",
        { w1: good.w1, w3: core.tensor([4]), w2: w3 },
        OptionError,
        "grads.w2 is a parameter itself",
      ],
      [
        "a view of the core's memory",
        { ...good, w3: core.tensor([4]).data },
        OptionError,
        "grads.w3 is a view of the core's",
      ],
      ["an array of numbers", { ...good, w2: [1, 2, 3, 4, 5] }, OptionError, "grads.w2 is Array(5), expected a Tensor"],
      ["a Float64Array", { ...good, w2: new Float64Array(5) }, OptionError, "grads.w2 is Float64Array(5)"],
      ["a number", { ...good, w3: 0 }, OptionError, "grads.w3 is 0"],
    ])("%s", (_, grads, error, message) => {
      const before = snapshot();
      expect(() => optimizer.step(grads as Gradients)).toThrow(error);
      expect(() => optimizer.step(grads as Gradients)).toThrow(message);
      expect(snapshot()).toEqual(before);
    });

    it.each([-1, Number.NaN, Number.POSITIVE_INFINITY, 1e39, "0.1", undefined])("a schedule that returns %s", (bad) => {
      const before = snapshot();
      rate = bad as number;
      expect(() => optimizer.step(good)).toThrow(OptionError);
      expect(() => optimizer.step(good)).toThrow("learningRate(1) is ");
      expect(() => optimizer.learningRate).toThrow(OptionError);
      rate = 0.1;
      expect(snapshot()).toEqual(before);
    });

    it("a schedule that disposes of the optimizer", () => {
      const core = makeCore(backend);
      const parameter = core.tensor([1], [7]);
      const optimizer = new RMSProp(core, parameter, {
        learningRate() {
          optimizer.dispose();
          return 0.1;
        },
      });
      expect(() => optimizer.step(core.tensor([1], [1]))).toThrow(DisposedError);
      expect(parameter.toArray()).toEqual([7]);
    });

    it.each<[string, (optimizer: SGD) => void]>([
      ["makes a step of its own", (other) => other.step({ w: gradient(0) })],
      ["changes options", (other) => other.setOptions({ momentum: 0.5 })],
      ["adds parameters", (other) => other.add({ v: gradient(0) })],
      ["loads a state", (other) => other.load({ ...other.state(), iterations: 5 })],
    ])("a schedule that %s", (_, change) => {
      const w = gradient(7);
      let first = true;
      const other = new SGD(
        makeCore(backend),
        { w },
        {
          learningRate() {
            if (first) {
              first = false;
              change(other);
            }
            return 1;
          },
        },
      );
      const step = () => other.step({ w: gradient(1) });
      expect(step).toThrow("learningRate(0) changed the optimizer, expected a pure function");
      expect([...w]).toEqual([7]);
      step();
      expect([...w]).toEqual([6]);
    });

    it("a schedule that throws", () => {
      const before = snapshot();
      optimizer.learningRate = () => {
        throw new Error("mine");
      };
      expect(() => optimizer.step(good)).toThrow("mine");
      optimizer.learningRate = () => rate;
      expect(snapshot()).toEqual(before);
    });

    it("an array whose buffer was given away", () => {
      const array = new Float32Array(4);
      const other = core.tensor([4]);
      const both = new SGD(core, [other, array]);
      structuredClone(array, { transfer: [array.buffer] });
      const before = snapshot();
      expect(() => both.step([good.w3, good.w3])).toThrow("params[1] has 0 elements, expected the 4 it had at first");
      expect(() => both.step([good.w3])).toThrow(ShapeError);
      expect(snapshot()).toEqual(before);
    });

    it("memory that runs out when a first array needs room", () => {
      const small = createCoreSync({ backend, memory: { initialBytes: 65536, maximumBytes: 131072 } });
      const params = [small.tensor([3000], randomValues(3000, 1)), small.tensor([9000], randomValues(9000, 2))];
      const narrow = new SGD(small, params);
      small.tensor([9000]);
      const inUse = small.memory.bytesInUse;
      const values = params.map((param) => param.data.slice());
      const grads = [new Float32Array(3000).fill(1), new Float32Array(9000).fill(1)];
      for (let i = 0; i < 2; i++) {
        expect(() => narrow.step(grads)).toThrow(OutOfMemoryError);
        expect(small.memory.bytesInUse).toBe(inUse);
        expect(narrow.iterations).toBe(0);
        params.forEach((param, k) => {
          expectSameBits(param.data, values[k]!, "params");
        });
      }
      narrow.step([grads[0]!]);
      expect(narrow.iterations).toBe(1);
    });

    it("and the next step is as if there had been none", () => {
      const fresh = createCoreSync({ backend });
      const params = {
        w1: fresh.tensor([2, 3], randomValues(6, 1)),
        w2: randomValues(5, 2),
        w3: fresh.tensor([4], randomValues(4, 3)),
      };
      const undisturbed = new RMSProp(fresh, params, { momentum: 0.9, centered: true, learningRate: 0.1 });
      const grads = { ...good, w1: fresh.tensor([2, 3], good.w1.data) };
      undisturbed.step(grads);
      undisturbed.step(grads);
      optimizer.step(good);
      expectSameBits(w1.data, params.w1.data, "w1");
      expectSameBits(w2, params.w2, "w2");
      expectSameBits(w3.data, params.w3.data, "w3");
      expect(withoutOptions(optimizer)).toEqual(undisturbed.state());
    });
  });

  describe("names in groups and lists", () => {
    const core = createCoreSync({ backend });
    const vector = () => new Float32Array(2);
    it.each<[unknown, unknown, string]>([
      [[vector()], vector(), "grads is Float32Array(2), expected an array like the parameters"],
      [[vector()], [vector(), vector()], "grads has 2 entries, expected at most 1"],
      [[vector(), vector()], [vector(), 3], "grads[1] is 3"],
      [vector(), [vector()], "grads is Array(1), expected a Tensor, Float32Array or null"],
      [
        [{ params: vector() }],
        vector(),
        "grads is Float32Array(2), expected an array with the gradients of each group",
      ],
      [[{ params: vector() }], [vector(), vector()], "grads has 2 entries, expected at most 1, one for each group"],
      [[{ params: [vector()] }], [vector()], "grads[0] is Float32Array(2), expected an array like"],
      [[{ params: [vector()] }], [[3]], "grads[0][0] is 3"],
      [[{ params: [vector()] }], [{ params: [3] }], "grads[0].params[0] is 3"],
      [[{ params: { w: vector() } }], [{ w: 3 }], "grads[0].w is 3"],
      [[{ params: { w: vector() } }], [{ v: vector() }], "grads[0].v is not a parameter; known are w"],
      [[{ params: vector() }], [{ params: vector(), learningRate: 1 }], "grads[0].learningRate is not an option"],
      [{ w: vector() }, Object.create({ constructor: 1, x: 2 }), "grads.constructor is not a parameter"],
    ])("%#: %s", (params, grads, message) => {
      const optimizer = new SGD(core, params as Float32Array);
      expect(() => optimizer.step(grads as Gradients)).toThrow(message);
      expect(optimizer.iterations).toBe(0);
    });

    it("what objects inherit is no gradient", () => {
      const optimizer = new SGD(core, { constructor: vector(), toString: vector() } as unknown as Record<
        string,
        Float32Array
      >);
      optimizer.step({});
      expect(optimizer.iterations).toBe(1);
    });
  });

  describe.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("a gradient with %f", (bad) => {
    const make = (onNonFinite?: "propagate" | "skip" | "throw") => {
      const core = createCoreSync({ backend });
      const a = core.tensor([17], randomValues(17, 1));
      const b = randomValues(9, 2);
      const options = { momentum: 0.9, ...(onNonFinite ? { onNonFinite } : {}) };
      const optimizer = new RMSProp(core, [{ params: a }, { params: { b } }], options);
      const grads = [{ params: randomValues(17, 3) }, { b: randomValues(9, 4) }];
      optimizer.step(grads);
      return { a, b, optimizer, grads, values: () => [a.data.slice(), b.slice(), optimizer.state()] };
    };
    const spoil = (grads: ReturnType<typeof make>["grads"]) => [
      grads[0]!,
      { b: grads[1]!.b!.map((g, i) => (i === 8 ? bad : g)) },
    ];

    it("propagates by default", () => {
      const { a, b, optimizer, grads } = make();
      optimizer.step(spoil(grads));
      expect(a.data.every(Number.isFinite)).toBe(true);
      expect(Number.isNaN(b[8])).toBe(true);
      expect(optimizer.iterations).toBe(2);
    });

    it("skips the whole step", () => {
      const { optimizer, grads, values } = make("skip");
      const before = values();
      optimizer.step(spoil(grads));
      expect(values()).toEqual(before);
      expect(optimizer.iterations).toBe(1);
      optimizer.step(grads);
      const other = make("skip");
      other.optimizer.step(other.grads);
      expect(values()).toEqual(other.values());
    });

    it("throws, naming the gradient", () => {
      const { optimizer, grads, values } = make("throw");
      const before = values();
      expect(() => optimizer.step(spoil(grads))).toThrow(NonFiniteError);
      expect(() => optimizer.step(spoil(grads))).toThrow("grads[1].b contains NaN or ±Infinity");
      expect(values()).toEqual(before);
      optimizer.step(grads);
      expect(optimizer.iterations).toBe(2);
    });
  });

  describe("dispose", () => {
    it("frees the state, keeps the parameters, and may be repeated", () => {
      const core = createCoreSync({ backend });
      const w = core.tensor([3], [1, 2, 3]);
      const before = core.memory.bytesInUse;
      const optimizer = new RMSProp(core, { w, b: new Float32Array(2) }, { momentum: 0.5, centered: true });
      optimizer.step({ w: gradient(1, 1, 1) });
      const value = w.toArray();
      optimizer.dispose();
      optimizer[Symbol.dispose]();
      expect(core.memory.bytesInUse).toBe(before);
      expect(w.toArray()).toEqual(value);
      for (const use of [
        () => optimizer.step({}),
        () => optimizer.state(),
        () => optimizer.load({ iterations: 0, parameters: {} }),
        () => optimizer.learningRate,
        () => {
          optimizer.learningRate = 1;
        },
      ]) {
        expect(use).toThrow(DisposedError);
      }
      expect(optimizer.iterations).toBe(1);
    });

    it("of a parameter stops the steps, and nothing else changes", () => {
      const core = createCoreSync({ backend });
      const [a, b] = [core.tensor([2]), core.tensor([2])];
      const optimizer = new SGD(core, { a, b }, { momentum: 0.9 });
      const grads = { a: core.tensor([2], [1, 1]), b: core.tensor([2], [1, 1]) };
      optimizer.step(grads);
      const before = { a: a.data.slice(), state: optimizer.state() };
      b.dispose();
      for (const g of [grads, { a: grads.a }]) {
        expect(() => optimizer.step(g)).toThrow(DisposedError);
        expect(() => optimizer.step(g)).toThrow("params.b of shape [2]");
      }
      expect({ a: a.data.slice(), state: optimizer.state() }).toEqual(before);
    });

    it("of a gradient, or of the core, too", () => {
      const core = createCoreSync({ backend });
      const w = core.tensor([2]);
      const g = core.tensor([2]);
      const optimizer = new SGD(core, w);
      optimizer.step(g);
      g.dispose();
      expect(() => optimizer.step(g)).toThrow(DisposedError);
      expect(optimizer.iterations).toBe(1);
      core.dispose();
      expect(() => optimizer.step(null)).toThrow(DisposedError);
      expect(() => optimizer.state()).toThrow(DisposedError);
      optimizer.dispose();
    });
  });
});

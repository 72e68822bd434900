// Arguments with getters that answer differently each time, or that use or dispose of what they were given to.

import { describe, expect, it } from "vitest";
import { DisposedError, OptionError, SGD } from "../../src/index.js";
import { dense, meanSquaredError, Sequential, Trainer } from "../../src/nn/index.js";
import { backends, makeCore } from "../helpers/cores.js";
import { randomValues } from "../helpers/random.js";

/** An array whose element `index` is what a function returns. */
function arrayWith<T>(values: T[], index: number, get: (read: number) => T): T[] {
  let reads = 0;
  return Object.defineProperty([...values], index, { get: () => get(reads++), enumerable: true });
}

describe.each(backends)("arguments with getters on %s", (backend) => {
  it("a shape is read once", () => {
    const core = makeCore(backend);
    const tensor = core.tensor(arrayWith([2, 2], 1, (read) => (read === 0 ? 2 : 1e6)));
    expect([tensor.shape, tensor.size, tensor.data.length]).toEqual([[2, 2], 4, 4]);
    core.dispose();
  });

  it("numbers are read once, and memory that moves meanwhile is found again", () => {
    const core = makeCore(backend, { memory: { initialBytes: 65536 } });
    const tensor = core.tensor([3]);
    tensor.set(
      arrayWith<number>([1, 2, 3], 1, (read) => {
        core.tensor([core.memory.bytesReserved / 4]);
        return read === 0 ? 2 : Number.NaN;
      }),
    );
    expect(tensor.toArray()).toEqual([1, 2, 3]);
    const source = arrayWith<number>([1, 2, 3], 2, () => {
      tensor.dispose();
      return 3;
    });
    expect(() => tensor.set(source)).toThrow(DisposedError);
    core.dispose();
  });

  it("row indices are read once", () => {
    const core = makeCore(backend);
    const table = core.tensor([4, 2], randomValues(8, 1));
    const optimizer = new SGD(core, { table }, { learningRate: 1 });
    const before = table.data.slice();
    const rows = arrayWith([0, 1], 1, (read) => (read === 0 ? 3 : 1e6));
    optimizer.stepRows("table", rows, new Float32Array(4).fill(1));
    const changed = Array.from(table.data, (value, i) => value !== before[i]);
    expect(changed).toEqual([true, true, false, false, false, false, true, true]);
    const dispose = arrayWith([0, 1], 1, () => {
      table.dispose();
      return 1;
    });
    expect(() => optimizer.stepRows("table", dispose, new Float32Array(4))).toThrow(DisposedError);
    core.dispose();
  });

  it.each<[string, (optimizer: SGD, grads: Record<string, Float32Array>) => void]>([
    ["steps", (optimizer, grads) => optimizer.step({ a: grads.a!, b: grads.a! })],
    ["changes options", (optimizer) => optimizer.setOptions({ momentum: 0.5 })],
  ])("gradients whose getter %s are refused", (_, act) => {
    const core = makeCore(backend);
    const params = { a: core.tensor([2], [1, 1]), b: core.tensor([2], [1, 1]) };
    const optimizer = new SGD(core, params, { learningRate: 1 });
    const g = Float32Array.of(1, 1);
    let isFirst = true;
    const grads = {
      a: g,
      get b() {
        if (isFirst) {
          isFirst = false;
          act(optimizer, { a: g });
        }
        return g;
      },
    };
    const steps = () => optimizer.iterations;
    expect(() => optimizer.step(grads)).toThrow(OptionError);
    const inner = steps();
    expect(params.a.toArray()).toEqual([1 - inner, 1 - inner]); // the inner call alone has had an effect
    optimizer.step(grads);
    expect(params.a.toArray()).toEqual([0 - inner, 0 - inner]);
    core.dispose();
  });

  it("gradients whose getter disposes of the optimizer, or of another gradient, are refused", () => {
    const core = makeCore(backend);
    const params = { a: core.tensor([2], [1, 1]), b: core.tensor([2], [1, 1]) };
    const optimizer = new SGD(core, params);
    const [a, b] = [core.tensor([2]), core.tensor([2])];
    const disposing = (dispose: () => void) => ({
      a,
      get b() {
        dispose();
        return b;
      },
    });
    expect(() => optimizer.step(disposing(() => a.dispose()))).toThrow(OptionError);
    expect(params.b.toArray()).toEqual([1, 1]);
    expect(() => optimizer.step(disposing(() => optimizer.dispose()))).toThrow(DisposedError);
    core.dispose();
  });

  it("options of backward are read once", () => {
    const core = makeCore(backend);
    const model = new Sequential(core, [dense(2, 1)], { seed: 1 });
    const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer: (p) => new SGD(core, p) });
    let reads = 0;
    const options = {
      get scale() {
        return reads++ === 0 ? 1 : Number.NaN;
      },
    };
    trainer.backward([1, 2], [3], options);
    for (const { data } of Object.values(model.parameters)) expect(data.every(Number.isFinite)).toBe(true);
    for (const data of Object.values(trainer.gradients)) expect(data.data.every(Number.isFinite)).toBe(true);
    core.dispose();
  });

  it("an array that is transferred away during fit ends it", async () => {
    for (const which of ["x", "y", "sampleWeights"] as const) {
      const core = makeCore(backend);
      const model = new Sequential(core, [dense(2, 1)], { seed: 1 });
      const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer: (p) => new SGD(core, p) });
      const arrays = { x: randomValues(40, 1), y: randomValues(20, 2), sampleWeights: new Float32Array(20).fill(1) };
      const { x, y, sampleWeights } = arrays;
      const onBatch = () => structuredClone(arrays[which].buffer, { transfer: [arrays[which].buffer] });
      const fit = trainer.fit({ x, y }, { batchSize: 4, sampleWeights, callbacks: [{ onBatch }] });
      await expect(fit.then()).rejects.toThrow(OptionError);
      await expect(fit.then()).rejects.toThrow(/has 0 elements, expected \d+, as when fit began/);
      for (const { data } of Object.values(model.parameters)) expect(data.every(Number.isFinite)).toBe(true);
      core.dispose();
    }
  });
});

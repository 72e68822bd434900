import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { DisposedError, OptionError, SGD, ShapeError } from "../../src/index.js";
import { Tensor } from "../../src/tensor.js";
import { backends, expectUnchanged, makeCore } from "../helpers/cores.js";

describe.each(backends)("Tensor on %s", (backend) => {
  it("that is moved shows, and an optimizer updates, what lies there", () => {
    const core = makeCore(backend);
    const block = core.tensor([4], [1, 2, 3, 4]);
    const window = new Tensor(core, [2], block.ptr);
    const gradient = core.tensor([2], [1, 1]);
    expect([...window.data]).toEqual([1, 2]);
    const optimizer = new SGD(core, window, { learningRate: 0.5 });
    optimizer.step(gradient);
    window.moveTo(block.ptr + 8);
    expect([...window.data]).toEqual([3, 4]);
    optimizer.step(gradient);
    expect([...block.data]).toEqual([0.5, 1.5, 2.5, 3.5]);
    const moved = core.tensor([2], [2, 2]);
    gradient.moveTo(moved.ptr);
    optimizer.step(gradient);
    expect([...block.data]).toEqual([0.5, 1.5, 1.5, 2.5]);
  });

  it("is zeros, or what its source says", () => {
    const core = makeCore(backend);
    core
      .tensor([50])
      .set(() => 7)
      .dispose(); // so that fresh tensors reuse dirty memory
    expect([...core.tensor([2, 3]).data]).toEqual([0, 0, 0, 0, 0, 0]);
    expect([...core.tensor([3], [1, 2, 3]).data]).toEqual([1, 2, 3]);
    expect([...core.tensor([3], Float64Array.of(1, 2, 3)).data]).toEqual([1, 2, 3]);
    expect([
      ...core.tensor(
        [2, 2],
        [
          [1, 2],
          [3, 4],
        ],
      ).data,
    ]).toEqual([1, 2, 3, 4]);
    expect([...core.tensor([4], (i) => i * i).data]).toEqual([0, 1, 4, 9]);
    expect([...core.tensor([], 5).data]).toEqual([5]);
    expect([...core.tensor([0, 3]).data]).toEqual([]);
    expect([...core.tensor([2], runInNewContext("new Float32Array([8, 9])")).data]).toEqual([8, 9]);
  });

  it("describes itself", () => {
    const core = makeCore(backend);
    const tensor = core.tensor([2, 3]);
    expect(tensor.shape).toEqual([2, 3]);
    expect(() => (tensor.shape as number[]).push(1)).toThrow();
    expect([tensor.size, tensor.dtype, tensor.core]).toEqual([6, "float32", core]);
  });

  it("copies out as nested arrays", () => {
    const core = makeCore(backend);
    expect(core.tensor([], [3]).toArray()).toBe(3);
    expect(core.tensor([2], [1, 2]).toArray()).toEqual([1, 2]);
    expect(core.tensor([2, 1, 2], [1, 2, 3, 4]).toArray()).toEqual([[[1, 2]], [[3, 4]]]);
    expect(core.tensor([2, 0]).toArray()).toEqual([[], []]);
  });

  it("is written through its live view, and lives through growth", () => {
    const core = makeCore(backend);
    const tensor = core.tensor([3], [1, 2, 3]);
    const view = tensor.data;
    view[1] = 20;
    expect(tensor.data === view).toBe(true);
    const many = Array.from({ length: 5 }, () => core.tensor([300_000]));
    expect(tensor.data === view).toBe(false);
    expect([...tensor.data]).toEqual([1, 20, 3]);
    tensor.data[2] = 30;
    expect(tensor.toArray()).toEqual([1, 20, 30]);
    for (const other of many) other.dispose();
  });

  it("may be filled by a function that allocates", () => {
    const core = makeCore(backend);
    const tensor = core.tensor([3], (i) => core.tensor([500_000], () => i).data[0]!);
    expect([...tensor.data]).toEqual([0, 1, 2]);
  });

  it("says what is wrong with a shape or a source, and changes nothing", () => {
    const core = makeCore(backend);
    const tensor = core.tensor([2, 2], [1, 2, 3, 4]);
    const bad = (action: () => unknown, error: typeof ShapeError | typeof OptionError, text: RegExp) =>
      expectUnchanged(core, action, error, text);
    bad(() => tensor.set([1, 2, 3]), ShapeError, /source has 3 elements, expected 4 for shape \[2,2\]/);
    bad(() => tensor.set([[1, 2], [3]]), ShapeError, /source has 1 elements along axis 1, expected 2/);
    bad(
      () =>
        tensor.set([
          [1, 2],
          [3, [4]],
        ] as never),
      ShapeError,
      /nested deeper/,
    );
    bad(() => tensor.set([[1, 2], 3] as never), ShapeError, /axis 1/);
    bad(() => tensor.set("1234" as never), OptionError, /source is "1234"/);
    bad(() => tensor.set([1, 2, 3, "4"] as never), OptionError, /source\[3\] is "4"/);
    bad(() => tensor.set(BigInt64Array.of(1n, 2n, 3n, 4n) as never), OptionError, /source is BigInt64Array/);
    bad(
      () =>
        tensor.set(() => {
          throw new OptionError("mine");
        }),
      OptionError,
      /mine/,
    );
    bad(() => core.tensor([2, -1]), ShapeError, /shape is \[2,-1\]/);
    bad(() => core.tensor([1.5]), ShapeError, /shape is \[1\.5\]/);
    bad(() => core.tensor(3 as never), ShapeError, /shape is 3/);
    bad(() => core.tensor([Number.NaN]), ShapeError, /expected integers >= 0/);
  });

  it("refuses use after dispose, and is disposed by a using declaration", () => {
    const core = makeCore(backend);
    const held = core.tensor([2]);
    {
      using tensor = held;
      tensor.set([1, 2]);
    }
    for (const use of [() => held.data, () => held.set([1, 2]), () => held.toArray()]) {
      expect(use).toThrow(DisposedError);
    }
    const before = core.memory.bytesInUse;
    held.dispose();
    expect(core.memory.bytesInUse).toBe(before);
  });
});

import { describe, expect, it } from "vitest";
import {
  DisposedError,
  NonFiniteError,
  OptionError,
  OutOfMemoryError,
  RMSProp,
  type RMSPropOptions,
  rows,
  SGD,
  type SGDOptions,
  ShapeError,
} from "../../../src/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, expectUnchanged, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

const F = Math.fround;
const [ROWS, WIDTH] = [7, 11];

/** The rows of an array, one after the other. */
const pick = (values: Float32Array, rows: readonly number[]) =>
  Float32Array.from(rows.flatMap((row) => [...values.subarray(row * WIDTH, (row + 1) * WIDTH)]));

describe.each(backends)("stepRows on %s", (backend) => {
  const core = makeCore(backend);
  const start = randomValues(ROWS * WIDTH, 1);

  it.each<RMSPropOptions>([
    {},
    { momentum: 0.9, nesterov: true, centered: true, biasCorrection: true, emaDecay: 0.9 },
    { weightDecay: 0.1, clipValue: 0.5, maximize: true },
    { weightDecay: 0.1, decoupledWeightDecay: true, clipNorm: 0.3, onNonFinite: "throw" },
    { globalClipNorm: 0.3, initialScale: 0.1 },
  ])(
    "touched rows take the path of a parameter that has no others, the rest stays: %o",
    ({ onNonFinite, ...options }) => {
      const rows = [5, 0, 2];
      const table = core.tensor([ROWS, WIDTH], start);
      const small = core.tensor([3, WIDTH], pick(start, rows));
      // Beside it a parameter that takes no part, in a group of its own.
      const step = onNonFinite && { onNonFinite };
      const groups = [{ params: { other: core.tensor([2]) } }, { params: { table }, ...options }];
      const sparse = new RMSProp(core, groups, step);
      const dense = new RMSProp(core, { small }, { ...options, ...step });
      for (let i = 0; i < 4; i++) {
        const grads = randomValues(3 * WIDTH, 10 + i);
        sparse.stepRows("table", i % 2 ? rows : Int32Array.from(rows), i < 2 ? grads : core.tensor([3, WIDTH], grads));
        dense.step({ small: grads });
        expectSameBits(pick(table.data, rows), small.data, `step ${i}`);
        expectSameBits(pick(table.data, [1, 3, 4, 6]), pick(start, [1, 3, 4, 6]), "untouched rows");
      }
      const [a, b] = [sparse.state().parameters.table!, dense.state().parameters.small!];
      const { iterations, ...arrays } = b;
      expect([a.iterations, sparse.iterations]).toEqual([iterations, 4]);
      for (const [name, expected] of Object.entries(arrays)) {
        const array = a[name as "squareAverage"]!;
        expectSameBits(pick(array, rows), expected as Float32Array, name);
        const untouched = name === "parameterAverage" ? pick(start, [1, 6]) : new Float32Array(2 * WIDTH);
        if (name === "squareAverage") untouched.fill(options.initialScale ?? 0);
        expectSameBits(pick(array, [1, 6]), untouched, `${name} of untouched rows`);
      }
      expect(sparse.state().parameters.other!.iterations).toBe(0);
      sparse.dispose();
    },
  );

  it("adds the gradients of a row that is named again, in order, before all else", () => {
    const rows = [3, 1, 3, 3, 1];
    const grads = randomValues(5 * WIDTH, 3, 2);
    const g = (k: number, i: number) => grads[k * WIDTH + i]!;
    const sums = [
      Array.from({ length: WIDTH }, (_, i) => F(F(g(0, i) + g(2, i)) + g(3, i))),
      Array.from({ length: WIDTH }, (_, i) => F(g(1, i) + g(4, i))),
    ];
    const [a, b] = [core.tensor([ROWS, WIDTH], start), core.tensor([ROWS, WIDTH], start)];
    const [doubled, single] = [a, b].map((t) => new RMSProp(core, t, { clipNorm: 0.5, momentum: 0.5 }));
    const tensor = core.tensor([5, WIDTH], grads);
    for (let i = 0; i < 2; i++) {
      doubled!.stepRows("0", Uint32Array.from(rows), i ? grads : tensor);
      single!.stepRows("0", [3, 1], Float32Array.from(sums.flat()));
    }
    expectSameBits(a.data, b.data, "parameter");
    expect(doubled!.state()).toEqual(single!.state());
    expectSameBits(tensor.data, grads, "the gradients are only read");
  });

  it("tensors of one and of three axes, no rows at all, and rows without elements", () => {
    const [line, block, empty] = [core.tensor([5]), core.tensor([3, 2, 2]), core.tensor([4, 0])];
    const wide = core.tensor([2 ** 53 - 1, 0]);
    const optimizer = new SGD(core, { line, block, empty, wide }, { learningRate: 1 });
    optimizer.stepRows("line", [4, 1], new Float32Array([1, 2]));
    optimizer.stepRows("block", [1], core.tensor([1, 2, 2], [1, 2, 3, 4]));
    optimizer.stepRows("empty", [3, 3], new Float32Array(0));
    optimizer.stepRows("wide", [2 ** 52], new Float32Array(0));
    optimizer.stepRows("line", [], new Float32Array(0));
    expect([...line.data]).toEqual([0, -2, 0, 0, -1]);
    expect([...block.data]).toEqual([0, 0, 0, 0, -1, -2, -3, -4, 0, 0, 0, 0]);
    expect(optimizer.iterations).toBe(5);
    expect(optimizer.state().parameters.line!.iterations).toBe(2);
  });

  it("goes with whole steps, schedules, changed options and added parameters", () => {
    const table = core.tensor([4, 1]);
    const optimizer = new SGD(core, { table }, { learningRate: (iteration) => 2 ** iteration });
    const one = new Float32Array([-1]);
    optimizer.stepRows("table", [0], one); // 1
    optimizer.step({ table: new Float32Array(4).fill(-1) }); // 2
    optimizer.stepRows("table", [1], one); // 4
    optimizer.setOptions({ maximize: true, momentum: 0.5 });
    optimizer.stepRows("table", [2], one); // −8
    optimizer.add({ other: core.tensor([1]) }, { learningRate: 1 });
    optimizer.stepRows("table", [3], one); // −16
    optimizer.stepRows("other", [0], one);
    expect([...table.data]).toEqual([3, 6, -6, -14]);
    expect(optimizer.averaged()).toMatchObject({ other: one });
  });

  it.each<[SGDOptions, SGDOptions]>([
    [{ emaDecay: 0.9 }, { emaDecay: 0.5 }],
    [{ momentum: 0.5, dampening: 0.5 }, { momentum: 0.5 }],
  ])("groups by turns, %o and %o, keep their options", (first, second) => {
    const make = () => {
      const [a, b] = [core.tensor([ROWS, WIDTH], start), core.tensor([ROWS, WIDTH], start)];
      return new SGD(core, [
        { params: { a }, ...first },
        { params: { b }, ...second },
      ]);
    };
    const [both, alone] = [make(), make()];
    for (let i = 0; i < 3; i++) {
      const grads = randomValues(2 * WIDTH, 20 + i);
      both.stepRows("a", [1, 3], grads);
      for (const optimizer of [both, alone]) optimizer.stepRows("b", [1, 3], grads);
    }
    expect(both.state().parameters.b).toEqual(alone.state().parameters.b);
    expect((both.averaged() as object[])[1]).toEqual((alone.averaged() as object[])[1]);
  });

  it("resumes by state and load", () => {
    const make = () => new RMSProp(core, { t: core.tensor([ROWS, WIDTH], start) }, { biasCorrection: true });
    const [straight, first, second] = [make(), make(), make()];
    const go = (optimizer: RMSProp, i: number) =>
      optimizer.stepRows("t", [i, (2 * i) % ROWS], randomValues(2 * WIDTH, i));
    for (let i = 0; i < 4; i++) go(straight, i);
    for (let i = 0; i < 2; i++) go(first, i);
    second.load(first.state());
    for (let i = 2; i < 4; i++) go(second, i);
    expect(second.state()).toEqual(straight.state());
  });

  it.each(["skip", "throw"] as const)("%s: rows that are not finite change nothing", (onNonFinite) => {
    const table = core.tensor([3, 2], [1, 2, 3, 4, 5, 6]);
    const optimizer = new SGD(core, table, { onNonFinite, emaDecay: 0.5, momentum: 0.5 });
    const state = optimizer.state();
    const step = () => optimizer.stepRows("0", [2, 0], new Float32Array([1, 1, 1, Number.NaN]));
    if (onNonFinite === "throw") {
      expect(step).toThrow(NonFiniteError);
      expect(step).toThrow("rowGrads contains NaN");
    } else step();
    expect([...table.data]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(optimizer.state()).toEqual(state);
  });

  it("a frozen parameter stays as it is", () => {
    const table = core.tensor([3, 1]);
    const optimizer = new SGD(core, table);
    optimizer.freeze("0");
    optimizer.stepRows("0", [1], new Float32Array([1]));
    expect([...table.data]).toEqual([0, 0, 0]);
    expect(optimizer.state()).toMatchObject({
      iterations: 1,
      options: { frozen: ["0"] },
      parameters: { 0: { iterations: 0 } },
    });
  });

  describe("refuses, and changes nothing", () => {
    const table = core.tensor([3, 2], [1, 2, 3, 4, 5, 6]);
    const gone = core.tensor([1, 2]);
    gone.dispose();
    const foreign = makeCore(backend).tensor([1, 2]);
    const optimizer = new RMSProp(core, { table, array: new Float32Array(6), scalar: core.tensor([]) });
    const g = new Float32Array(2);
    optimizer.stepRows("table", [1], g);
    it.each<[string, unknown, unknown, new (...args: never[]) => Error, RegExp]>([
      ["tables", [0], g, OptionError, /^name is "tables", expected one of "table", "array", "scalar"/],
      ["array", [0], g, OptionError, /params.array is a Float32Array, which has no rows, expected a Tensor/],
      ["scalar", [0], g, OptionError, /params.scalar is a Tensor of shape \[\], which has no rows/],
      ["table", [3], g, OptionError, /^rowIndices\[0\] is 3, expected an integer from 0 to 2/],
      ["table", [0, -1], g, OptionError, /^rowIndices\[1\] is -1/],
      ["table", [0.5], g, OptionError, /^rowIndices\[0\] is 0.5/],
      ["table", ["0"], g, OptionError, /^rowIndices\[0\] is "0"/],
      ["table", new Array(1), g, OptionError, /^rowIndices\[0\] is undefined/],
      ["table", new Float32Array(1), g, OptionError, /^rowIndices is Float32Array\(1\), expected an array of integers/],
      ["table", 0, g, OptionError, /^rowIndices is 0/],
      ["table", [0], new Float32Array(3), ShapeError, /^rowGrads has 3 elements, expected 2/],
      ["table", [0], core.tensor([2]), ShapeError, /^rowGrads has shape \[2\], expected \[1,2\]/],
      ["table", [0], [1, 2], OptionError, /^rowGrads is Array\(2\), expected a Tensor or Float32Array/],
      ["table", [0], core.tensor([2]).data, OptionError, /^rowGrads is a view of the core's memory/],
      ["table", [0], foreign, OptionError, /^rowGrads is a tensor of another core/],
      ["table", [0], gone, DisposedError, /^rowGrads of shape \[1,2\]/],
    ])("%s %o %o", (name, rows, grads, error, message) => {
      const before = optimizer.state();
      expectUnchanged(core, () => optimizer.stepRows(name, rows as [], grads as Float32Array), error, message);
      expect(optimizer.state()).toEqual(before);
    });

    it("with an accumulation", () => {
      const optimizer = new SGD(core, table, { accumulationSteps: 2 });
      expect(() => optimizer.stepRows("0", [0], g)).toThrow("stepRows needs accumulationSteps 1, but it is 2");
    });

    it("when memory runs out", () => {
      const small = makeCore(backend, { memory: { initialBytes: 65536, maximumBytes: 131072 } });
      const wide = small.tensor([2, 8000]);
      const tight = new SGD(small, wide, { learningRate: 1 });
      const { bytesInUse } = small.memory;
      const step = (rows: number[]) => tight.stepRows("0", rows, new Float32Array(rows.length * 8000).fill(-1));
      expect(() => step([0, 1, 0, 1])).toThrow(OutOfMemoryError);
      expect(small.memory.bytesInUse).toBe(bytesInUse);
      expect(tight.iterations).toBe(0);
      step([1]);
      expect([wide.data[0], wide.data[8000]]).toEqual([0, 1]);
    });
  });
});

describe.each(backends)("rows in a step on %s", (backend) => {
  const make = (options: object = {}) => {
    const core = makeCore(backend);
    const table = core.tensor([6, 3], (i) => i / 7);
    const head = core.tensor([4], [1, 2, 3, 4]);
    return { core, table, head, optimizer: new RMSProp(core, { table, head }, { momentum: 0.9, ...options }) };
  };
  const grads = Float32Array.from({ length: 9 }, (_, i) => i - 4);
  const headGrads = Float32Array.of(1, -1, 2, 0.5);

  it("are updated as by stepRows, and it is one step", () => {
    const schedule = (iteration: number) => 0.1 / (1 + iteration);
    const [one, two, three] = [
      make({ learningRate: schedule }),
      make({ learningRate: schedule }),
      make({ learningRate: schedule }),
    ];
    for (let i = 0; i < 3; i++) {
      one.optimizer.step({ table: rows([4, 1, 4], grads), head: headGrads });
      two.optimizer.stepRows("table", [4, 1, 4], grads);
      three.optimizer.step({ head: headGrads });
    }
    expect(one.optimizer.iterations).toBe(3);
    expectSameBits(one.table.data, two.table.data, "table");
    expectSameBits(one.head.data, three.head.data, "head");
    one.optimizer.freeze("table");
    const before = one.table.data.slice();
    one.optimizer.step({ table: rows([0], new Float32Array(3).fill(1)) });
    expectSameBits(one.table.data, before, "frozen");
  });

  it("are all applied or none", () => {
    const { core, table, head, optimizer } = make({ onNonFinite: "throw" });
    const before = [table.data.slice(), head.data.slice()];
    const nan = Float32Array.of(Number.NaN, 1, 1);
    const bad: (() => void)[] = [
      () => optimizer.step({ table: rows([0], nan), head: headGrads }),
      () =>
        optimizer.step({
          table: rows(
            [0],
            nan.map(() => 1),
          ),
          head: Float32Array.of(1, Number.NaN, 1, 1),
        }),
      () => optimizer.step({ table: rows([6], nan), head: headGrads }),
      () => optimizer.step({ table: rows([0, 1], nan), head: headGrads }),
      () =>
        optimizer.step({
          table: rows(
            [0],
            nan.map(() => 1),
          ),
          head: new Float32Array(3),
        }),
      () => optimizer.step({ tabel: rows([0], nan) } as never),
      () => optimizer.step(rows([0], nan) as never),
    ];
    for (const step of bad) expect(step).toThrow(/grads|rowIndices|rowGrads|name/);
    expectSameBits(table.data, before[0]!, "table");
    expectSameBits(head.data, before[1]!, "head");
    expect(optimizer.iterations).toBe(0);
    const skipping = new RMSProp(core, { table }, { onNonFinite: "skip" });
    skipping.step({ table: rows([0], nan) });
    expect(skipping.iterations).toBe(0);
    expect(() => make({ accumulationSteps: 2 }).optimizer.step({ table: rows([0], nan) })).toThrow(
      /grads\.table needs accumulationSteps 1/,
    );
    expect(() => make({ globalClipNorm: 1 }).optimizer.step({ table: rows([0], nan) })).toThrow(/no globalClipNorm/);
  });

  it("take one record of groups, or an array if each group is a tensor", () => {
    const core = makeCore(backend);
    const [a, b, c] = [1, 2, 3].map((start) => core.tensor([2, 1], [start, start]));
    const ones = new Float32Array([1]);
    const lists = new SGD(core, [{ params: [a!, b!] }, { params: [c!] }], { learningRate: 1 });
    expect(() => lists.step([rows([0], ones), [null]] as never)).toThrow(
      "grads is an array of groups with rows, expected one record of all parameters",
    );
    new SGD(core, [{ params: a! }, { params: c! }], { learningRate: 1 }).step([null, rows([1], ones)] as never);
    new SGD(core, [{ params: { a } as never }, { params: { b } as never }], { learningRate: 1 }).step({
      b: rows([0], ones),
    } as never);
    expect([a, b, c].map((each) => [...each!.data])).toEqual([
      [1, 1],
      [1, 2],
      [3, 2],
    ]);
  });
});

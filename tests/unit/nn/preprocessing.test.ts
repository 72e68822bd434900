import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OptionError, ShapeError } from "../../../src/index.js";
import {
  batches,
  fitStandardizer,
  oneHot,
  type StandardizerState,
  splitRows,
  standardizer,
} from "../../../src/nn/index.js";

describe("standardizer", () => {
  it("has the mean and deviation of each column, and its inverse", () => {
    const x = [2, -1, 7, 4, -1, 7, 4, -1, 1, 4, -1, 5, 5, -1, 5, 5, -1, 5, 7, -1, 5, 9, -1, 5];
    const scaler = fitStandardizer(x, 3);
    expect(scaler.state).toEqual({ mean: [5, -1, 5], deviation: [2, 1, Math.sqrt(24 / 8)] });
    expect([...scaler.apply([9, -1, 5])]).toEqual([2, 0, 0]);
    expect([...scaler.invert(scaler.apply([9, -1, 5]))]).toEqual([9, -1, 5]);
    const again = standardizer(JSON.parse(JSON.stringify(scaler.state)));
    expect(again.apply(x)).toEqual(scaler.apply(x));
  });

  it("gives columns of mean 0 and deviation 1, within the rounding of float32", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 4, maxLength: 60 }),
        (values) => {
          const x = values.slice(0, values.length - (values.length % 2));
          const y = fitStandardizer(x, 2).apply(x);
          for (const column of [0, 1]) {
            const part = y.filter((_, i) => i % 2 === column);
            const sum = part.reduce((a, b) => a + b, 0);
            const squares = part.reduce((a, b) => a + b * b, 0);
            // Each of n numbers, at most √n, is off by 2⁻²⁴ of itself, and the deviation by a few 2⁻⁵³ · 1000.
            const bound = part.length ** 1.5 * 2 ** -22;
            const isFlat = x.every((value, i) => i % 2 !== column || Math.abs(value - x[column]!) < 1e-6);
            if (isFlat) continue;
            expect(Math.abs(sum)).toBeLessThan(bound);
            expect(Math.abs(squares / part.length - 1)).toBeLessThan(bound);
          }
        },
      ),
    );
  });

  it("refuses by name", () => {
    for (const [run, type, message] of [
      [() => fitStandardizer([1, 2, 3], 2), ShapeError, /^x has 3 elements, expected a multiple of 2$/],
      [() => fitStandardizer([], 2), ShapeError, /^x has no rows/],
      [() => fitStandardizer([1, Number.NaN], 2), OptionError, /^x\[1\] is NaN, expected a finite number$/],
      [() => fitStandardizer([1], 0), OptionError, /^columns is 0/],
      [() => fitStandardizer("a" as never, 1), OptionError, /^x is "a"/],
      [() => standardizer({ mean: [1] } as never), OptionError, /^state\.deviation is undefined/],
      [
        () => standardizer({ mean: [1], deviation: [0] }),
        OptionError,
        /^state\.deviation\[0\] is 0, expected a number above 0$/,
      ],
      [() => standardizer({ mean: ["1"], deviation: [1] } as never), OptionError, /^state\.mean\[0\] is "1"/],
      [() => standardizer({ mean: [1, 2], deviation: [1] }), OptionError, /^state has 2 means and 1 deviations/],
      [() => standardizer(null as unknown as StandardizerState), OptionError, /^state is null/],
    ] as const) {
      expect(run).toThrow(type);
      expect(run).toThrow(message);
    }
  });
});

describe("oneHot", () => {
  it("has a 1 for each label", () => {
    expect([...oneHot(Uint8Array.of(1, 0, 2), 3)]).toEqual([0, 1, 0, 1, 0, 0, 0, 0, 1]);
    expect(oneHot([], 3).length).toBe(0);
    expect(() => oneHot([0, 3], 3)).toThrow(/^labels\[1\] is 3, expected an integer from 0 to 2$/);
    expect(() => oneHot([0.5], 3)).toThrow(OptionError);
  });
});

describe("splitRows", () => {
  it("has every row once, with what belongs to it", () => {
    const rows = 103;
    const x = Float32Array.from({ length: 2 * rows }, (_, i) => i);
    const y = Float64Array.from({ length: rows }, (_, i) => 1000 + i);
    const { train, validation } = splitRows({ x, y }, { rows, validation: 0.25, seed: 4 });
    expect([train.y.length, validation.y.length]).toEqual([77, 26]);
    const all = [train, validation].flatMap((part) =>
      [...part.y].map((label, i) => [label, part.x[2 * i], part.x[2 * i + 1]]),
    );
    for (const [label, a, b] of all) expect([a, b]).toEqual([2 * (label! - 1000), 2 * (label! - 1000) + 1]);
    expect(new Set(all.map(([label]) => label)).size).toBe(rows);
    expect(splitRows({ x, y }, { rows, validation: 0.25, seed: 4 })).toEqual({ train, validation });
    expect(splitRows({ x, y }, { rows, validation: 0.25, seed: 5 }).train.y).not.toEqual(train.y);
    expect(splitRows({ y }, { rows, validation: 0 }).validation.y.length).toBe(0);
    expect(() => splitRows({ x: [1, 2, 3] }, { rows: 2 })).toThrow(
      /^data\.x has 3 elements, expected a multiple of 2 rows$/,
    );
    expect(() => splitRows({ x }, { rows, validation: 2 })).toThrow(/^validation is 2/);
  });
});

describe("batches", () => {
  it("gathers rows of a stream", async () => {
    async function* rows(count: number) {
      for (let i = 0; i < count; i++) yield { x: [i, -i], y: i };
    }
    const sizes = async (count: number) => {
      const found: number[][] = [];
      for await (const { x, y } of batches(rows(count), 3)) {
        expect([...x]).toEqual([...y].flatMap((i) => [i, -i]));
        found.push([...y]);
      }
      return found;
    };
    expect(await sizes(7)).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
    expect(await sizes(3)).toEqual([[0, 1, 2]]);
    expect(await sizes(0)).toEqual([]);
    const uneven = batches(
      [
        { x: [1], y: 0 },
        { x: [1, 2], y: 0 },
      ],
      1,
    );
    await uneven.next();
    await expect(uneven.next()).rejects.toThrow(/^x of row 1 has 2 numbers, expected 1 as in row 0$/);
    await expect(batches([{ x: "1", y: 0 } as never], 1).next()).rejects.toThrow(
      /^x of row 0 is "1", expected numbers$/,
    );
  });
});

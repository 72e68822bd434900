import { describe } from "vitest";
import { describeConformance } from "../helpers/conformance.js";
import { randomValues } from "../helpers/random.js";
import type { GroupSpec, RowSpec } from "../helpers/segments.js";
import { describeStepKernel, type Expected, transformedElement, withTransforms } from "../helpers/step-kernel.js";

const F = Math.fround;
const EPS2 = 1e-3;
const D = 1.0;
const RHO = 0.007;

/** float64 numbers as the float32 words of a group's scalars. */
const doubles = (...values: number[]) => [...new Float32Array(Float64Array.from(values).buffer)];

/** Σ x² as kernels add it up to 65,536 numbers: eight partial sums, then what is left one by one. */
function sumOfSquares(x: readonly number[]): number {
  const parts = new Float64Array(8);
  const whole = x.length - (x.length % 8);
  for (let i = 0; i < whole; i++) parts[i % 8]! += x[i]! * x[i]!;
  const [a, b, c, d, e, f, g, h] = parts as unknown as number[];
  let sum = a! + c! + (e! + g!) + (b! + d! + (f! + h!));
  for (let i = whole; i < x.length; i++) sum += x[i]! * x[i]!;
  return sum;
}

const norm = (x: readonly number[]) => F(Math.sqrt(sumOfSquares(x)));

function lerp(from: number, to: number, weight: number): number {
  return weight < 0.5 ? F(from + F(weight * F(to - from))) : F(to + F(F(weight - 1) * F(to - from)));
}

function expected(row: RowSpec, group: GroupSpec, gradScale: number): Expected {
  const weight = F(row.correction0!);
  const count = row.param.length;
  const elements = Array.from(row.param, (_, i) => transformedElement(row, i, group, gradScale));
  const g = elements.map((element) => element.g);
  const size = norm([...row.param]) / Math.sqrt(count);
  const alpha = (size > EPS2 ? size : EPS2) * RHO;
  const states: Expected["states"] = [];
  let s: number[];
  if (row.states[2]) {
    s = g.map((x, i) => lerp(row.states[2]![i]!, F(x * x), weight));
    states[2] = s;
  } else {
    const rows = row.rows!;
    const columns = count / rows;
    const line = (start: number, step: number, length: number) =>
      Array.from({ length }, (_, i) => g[start + i * step]!);
    const mean = (n: number, length: number) => F(F(n * n) / length);
    const r = Array.from({ length: rows }, (_, i) =>
      lerp(row.states[0]![i]!, mean(norm(line(i * columns, 1, columns)), columns), weight),
    );
    const c = Array.from({ length: columns }, (_, j) => {
      const sum = line(j, columns, rows).reduce((total, x) => total + x * x, 0);
      return lerp(row.states[1]![j]!, mean(F(Math.sqrt(sum)), rows), weight);
    });
    const total = Math.max(F(F(r.reduce((sum, x) => sum + x, 0)) / rows), F(group.epsInside!));
    s = g.map((_, i) => F(F(r[Math.floor(i / columns)]! * c[i % columns]!) / total));
    states.push(r, c);
  }
  const u = s.map((x, i) => F(F(1 / F(Math.sqrt(Math.max(x, F(group.epsOutside!))))) * g[i]!));
  const ratio = norm(u) / (Math.sqrt(count) * D);
  const coefficient = F(alpha / (ratio > 1 ? ratio : 1));
  return { param: elements.map(({ p }, i) => F(p - F(coefficient * u[i]!))), states };
}

const groups = withTransforms({ epsInside: 1e-3, epsOutside: 1e-6, scalars: doubles(EPS2, D) });
const scratchBytes = (rows: RowSpec[]) => (kernels: unknown) =>
  Math.max(
    ...rows.map(({ param, rows = 1 }) =>
      (kernels as { adafactor_scratch_bytes(...args: number[]): number }).adafactor_scratch_bytes(
        param.length,
        rows,
        param.length / rows || 0,
      ),
    ),
  );

describeConformance("adafactor_f32", () => {
  describe.each([1, 0.574, 0.3])("weight %s", (weight) => {
    describe("matrices", () =>
      describeStepKernel({
        kernel: "adafactor_f32",
        groups,
        sizes: [
          [1, 1],
          [1, 7],
          [9, 1],
          [2, 3],
          [3, 2],
          [5, 8],
          [8, 5],
          [17, 33],
        ],
        makeRow: (group, size, seed) => {
          const [rows, columns] = size as readonly [number, number];
          return {
            group,
            rows,
            param: randomValues(rows * columns, seed, 2),
            grad: randomValues(rows * columns, seed + 1, 2),
            states: [randomValues(rows, seed + 2).map((x) => x * x), randomValues(columns, seed + 3).map((x) => x * x)],
            correction0: weight,
            scalarF64: RHO,
          };
        },
        expected,
        scratchBytes,
      }));

    describe("vectors", () =>
      describeStepKernel({
        kernel: "adafactor_f32",
        groups,
        sizes: [1, 2, 3, 4, 5, 7, 8, 9, 17, 31, 127, 1021],
        makeRow: (group, size, seed) => ({
          group,
          param: randomValues(size as number, seed, 2),
          grad: randomValues(size as number, seed + 1, 2),
          states: [null, null, randomValues(size as number, seed + 2).map((x) => x * x)],
          correction0: weight,
          scalarF64: RHO,
        }),
        expected,
        scratchBytes,
      }));
  });
});

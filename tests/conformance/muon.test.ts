import { describe } from "vitest";
import { describeConformance } from "../helpers/conformance.js";
import { randomValues } from "../helpers/random.js";
import { FORM_NESTEROV, type GroupSpec, type RowSpec } from "../helpers/segments.js";
import { describeStepKernel, type Expected, transformedElement, withTransforms } from "../helpers/step-kernel.js";

const F = Math.fround;

function lerp(from: number, to: number, weight: number): number {
  return weight < 0.5 ? F(from + F(weight * F(to - from))) : F(to + F(F(weight - 1) * F(to - from)));
}

/** Σ x² as kernels add it: eight partial sums, then what is left one by one. */
function sumOfSquares(x: readonly number[]): number {
  const parts = new Float64Array(8);
  const whole = x.length - (x.length % 8);
  for (let i = 0; i < whole; i++) parts[i % 8]! += x[i]! * x[i]!;
  const [a, b, c, d, e, f, g, h] = parts as unknown as number[];
  let sum = a! + c! + (e! + g!) + (b! + d! + (f! + h!));
  for (let i = whole; i < x.length; i++) sum += x[i]! * x[i]!;
  return sum;
}

type Matrix = number[][];
const transpose = (m: Matrix): Matrix => m[0]!.map((_, j) => m.map((row) => row[j]!));

/** alpha·A·B + beta·C, as gemm_f32 adds it. */
function product(a: Matrix, b: Matrix, alpha: number, beta: number, c?: Matrix): Matrix {
  return a.map((row, i) =>
    b[0]!.map((_, j) => {
      let sum = 0;
      for (let k = 0; k < row.length; k++) sum = F(sum + F(row[k]! * b[k]![j]!));
      const scaled = F(alpha * sum);
      return c === undefined ? scaled : F(scaled + F(beta * c[i]![j]!));
    }),
  );
}

function expected(row: RowSpec, group: GroupSpec, gradScale: number): Expected {
  const rows = row.rows!;
  const columns = row.param.length / rows;
  const [alpha, beta, gamma, steps] = group.scalars!.map(F) as [number, number, number, number];
  const elements = Array.from(row.param, (_, i) => transformedElement(row, i, group, gradScale));
  const b = elements.map(({ g }, i) => lerp(row.states[0]![i]!, g, F(group.decayComplement!)));
  const momentum = F(group.momentum!);
  const flat = group.mode! & FORM_NESTEROV ? elements.map(({ g }, i) => lerp(g, b[i]!, momentum)) : b;
  const norm = F(Math.sqrt(sumOfSquares(flat)));
  const divisor = norm < F(group.epsOutside!) ? F(group.epsOutside!) : norm;
  let x: Matrix = Array.from({ length: rows }, (_, i) =>
    flat.slice(i * columns, (i + 1) * columns).map((value) => F(value / divisor)),
  );
  const isTall = rows > columns;
  if (isTall) x = transpose(x);
  for (let step = 0; step < steps; step++) {
    const gram = product(x, transpose(x), 1, 0);
    const update = product(gram, gram, gamma, beta, gram);
    x = isTall ? transpose(product(transpose(x), update, 1, alpha, transpose(x))) : product(update, x, 1, alpha, x);
  }
  if (isTall) x = transpose(x);
  const u = x.flat();
  return { param: elements.map(({ p }, i) => F(p - F(F(row.correction0!) * u[i]!))), states: [b] };
}

describeConformance("muon_f32", () => {
  describe.each([0.95, 0.3])("momentum %s", (momentum) =>
    describeStepKernel({
      kernel: "muon_f32",
      groups: withTransforms(
        {
          momentum,
          decayComplement: 1 - momentum,
          epsOutside: 1e-7,
          scalars: [3.4445, -4.775, 2.0315, 3],
        },
        [0, FORM_NESTEROV],
      ),
      sizes: [
        [1, 1],
        [1, 7],
        [9, 1],
        [2, 3],
        [3, 2],
        [4, 4],
        [5, 12],
        [12, 5],
        [9, 17],
      ],
      makeRow: (group, size, seed) => {
        const [rows, columns] = size as readonly [number, number];
        return {
          group,
          rows,
          param: randomValues(rows * columns, seed, 2),
          grad: randomValues(rows * columns, seed + 1, 2),
          states: [randomValues(rows * columns, seed + 2)],
          correction0: 0.02,
        };
      },
      expected,
      scratchBytes: (list) => (kernels) =>
        Math.max(
          ...list.map(({ param, rows = 1 }) =>
            (kernels as unknown as { muon_scratch_bytes(...args: number[]): number }).muon_scratch_bytes(
              param.length,
              rows,
              param.length / rows,
            ),
          ),
        ),
    }),
  );
});

import sgemm from "@stdlib/blas-base-sgemm";
import { Matrix } from "ml-matrix";
import type { Contestant } from "../contestant.js";

/** ml-matrix, which computes in float64 and makes a new matrix each time. */
export const mlMatrix: Contestant = {
  name: "ml-matrix",
  slow: true,
  product({ m, n, k, batch, transposeA, transposeB, fused }, operands) {
    if (batch > 1 || transposeA || transposeB || fused) return undefined;
    const a = Matrix.from1DArray(m, k, operands.a);
    const b = Matrix.from1DArray(k, n, operands.b);
    let out = a;
    return {
      run: () => {
        out = a.mmul(b);
      },
      read: () => Float32Array.from(out.to1DArray()),
      dispose: () => {},
    };
  },
};

/** stdlib's reference BLAS, in place. */
export const stdlib: Contestant = {
  name: "stdlib sgemm",
  slow: true,
  product({ m, n, k, batch, transposeA, transposeB, fused }, { a, b }) {
    if (batch > 1 || fused) return undefined;
    const c = new Float32Array(m * n);
    const form = (transposed: boolean) => (transposed ? "transpose" : "no-transpose");
    const lda = transposeA ? m : k;
    const ldb = transposeB ? k : n;
    return {
      run: () => {
        sgemm("row-major", form(transposeA), form(transposeB), m, n, k, 1, a, lda, b, ldb, 0, c, n);
      },
      read: () => c,
      dispose: () => {},
    };
  },
};

import { ACTIVATION } from "../../backend.js";
import type { CoreKernels } from "../../families/core.js";
import { activate } from "../nn/activation.js";
import type { Views } from "../views.js";

const f = Math.fround;

/** c = activation(scale·sum + keep·c + bias), each operation rounded; `biasAt` 0 is no bias. */
function finish(
  x: Float32Array,
  sum: number,
  at: number,
  scale: number,
  keep: number,
  biasAt: number,
  activation: number,
): void {
  let value = f(scale * sum);
  if (keep !== 0) value = f(value + f(keep * x[at]!));
  if (biasAt !== 0) value = f(value + x[biasAt]!);
  x[at] = activation === ACTIVATION.identity ? value : activate(activation, value);
}

/** assembly/gemm/gemm.ts in JavaScript: the same sums in the same order, a 2 × 4 tile of them at a time. */
export function gemmKernels(views: Views): Pick<CoreKernels, "gemm_f32" | "gemm_scratch_bytes" | "pack_f32"> {
  const tile = new Float32Array(8);
  return {
    gemm_f32(
      batch,
      m,
      n,
      k,
      alpha,
      aPtr,
      strideA,
      lda,
      transposeA,
      bPtr,
      strideB,
      ldb,
      transposeB,
      beta,
      cPtr,
      strideC,
      ldc,
      biasPtr,
      activation,
    ) {
      const x = views.f32;
      const aRow = transposeA ? 1 : lda;
      const aStep = transposeA ? lda : 1;
      const bColumn = transposeB ? ldb : 1;
      const bStep = transposeB ? 1 : ldb;
      const scale = f(alpha);
      const keep = f(beta);
      const bias = biasPtr >>> 2;

      for (let q = 0; q < batch; q++) {
        const a = (aPtr >>> 2) + q * strideA;
        const b = (bPtr >>> 2) + q * strideB;
        const c = (cPtr >>> 2) + q * strideC;
        const pairs = m & ~1;
        const quads = n & ~3;
        for (let i = 0; i < pairs; i += 2) {
          for (let j = 0; j < quads; j += 4) {
            let s00 = 0,
              s01 = 0,
              s02 = 0,
              s03 = 0,
              s10 = 0,
              s11 = 0,
              s12 = 0,
              s13 = 0;
            let ap = a + i * aRow;
            let bp = b + j * bColumn;
            for (let p = 0; p < k; p++) {
              const a0 = x[ap]!;
              const a1 = x[ap + aRow]!;
              const b0 = x[bp]!;
              const b1 = x[bp + bColumn]!;
              const b2 = x[bp + 2 * bColumn]!;
              const b3 = x[bp + 3 * bColumn]!;
              s00 = f(s00 + f(a0 * b0));
              s01 = f(s01 + f(a0 * b1));
              s02 = f(s02 + f(a0 * b2));
              s03 = f(s03 + f(a0 * b3));
              s10 = f(s10 + f(a1 * b0));
              s11 = f(s11 + f(a1 * b1));
              s12 = f(s12 + f(a1 * b2));
              s13 = f(s13 + f(a1 * b3));
              ap += aStep;
              bp += bStep;
            }
            tile[0] = s00;
            tile[1] = s01;
            tile[2] = s02;
            tile[3] = s03;
            tile[4] = s10;
            tile[5] = s11;
            tile[6] = s12;
            tile[7] = s13;
            for (let t = 0; t < 8; t++) {
              const column = j + (t & 3);
              finish(x, tile[t]!, c + (i + (t >> 2)) * ldc + column, scale, keep, bias && bias + column, activation);
            }
          }
        }
        for (let i = 0; i < m; i++) {
          for (let j = i < pairs ? quads : 0; j < n; j++) {
            let sum = 0;
            for (let p = 0; p < k; p++)
              sum = f(sum + f(x[a + i * aRow + p * aStep]! * x[b + p * bStep + j * bColumn]!));
            finish(x, sum, c + i * ldc + j, scale, keep, bias && bias + j, activation);
          }
        }
      }
    },

    gemm_scratch_bytes() {
      return 0;
    },

    /** The transpose: `gemm_f32` takes it as such. */
    pack_f32(n, k, bPtr, ldb, transposeB, toPtr) {
      const x = views.f32;
      const [column, step] = transposeB ? [ldb, 1] : [1, ldb];
      let to = toPtr >>> 2;
      for (let j = 0; j < n; j++) for (let p = 0; p < k; p++) x[to++] = x[(bPtr >>> 2) + j * column + p * step]!;
    },
  };
}

import type { NormKernels } from "../../families/norm.js";
import type { Views } from "../views.js";
import { reciprocalDeviation, standardize, statistics } from "./normalize.js";

const f = Math.fround;

/** The JavaScript implementation of assembly/norm/batch-norm.ts. */
export function batchNormKernels(
  views: Views,
): Pick<NormKernels, "batch_norm_f32" | "batch_norm_inference_f32" | "batch_norm_backward_f32"> {
  /** Element `j` of a vector of parameters, or the value of an absent one. */
  function parameter(ptr: number, j: number, absent: number): number {
    return ptr === 0 ? absent : views.f32[(ptr >>> 2) + j]!;
  }

  /** old ← kept·old + taken·value */
  function blend(ptr: number, j: number, kept: number, taken: number, value: number): void {
    if (ptr === 0) return;
    const { f32 } = views;
    const at = (ptr >>> 2) + j;
    f32[at] = f(f(kept) * f32[at]!) + f(f(taken) * value); // the store rounds
  }

  function scaleColumn(
    rows: number,
    stride: number,
    x: number,
    y: number,
    mean: number,
    scale: number,
    beta: number,
  ): void {
    const { f32 } = views;
    for (let i = 0; i < rows; i++) f32[y + i * stride] = standardize(f32[x + i * stride]!, mean, scale) + beta;
  }

  return {
    batch_norm_f32(
      rows,
      columns,
      stride,
      eps,
      kept,
      taken,
      unbiased,
      xPtr,
      gammaPtr,
      betaPtr,
      yPtr,
      meanPtr,
      rstdPtr,
      movingMeanPtr,
      movingVariancePtr,
    ) {
      if (rows === 0) return;
      const { f32 } = views;
      const factor = unbiased && rows > 1 ? rows / (rows - 1) : 1;
      for (let j = 0; j < columns; j++) {
        const x = (xPtr >>> 2) + j;
        const { mean, variance, rstd } = statistics(rows, true, eps, (center, square) => {
          let sum = 0;
          for (let i = 0; i < rows; i++) {
            const d = f(f32[x + i * stride]! - center);
            sum += square ? d * d : d;
          }
          return sum;
        });
        f32[(meanPtr >>> 2) + j] = mean;
        f32[(rstdPtr >>> 2) + j] = rstd;
        blend(movingMeanPtr, j, kept, taken, mean);
        blend(movingVariancePtr, j, kept, taken, f(variance * factor));
        const scale = f(rstd * parameter(gammaPtr, j, 1));
        scaleColumn(rows, stride, x, (yPtr >>> 2) + j, mean, scale, parameter(betaPtr, j, -0));
      }
    },
    batch_norm_inference_f32(rows, columns, stride, eps, xPtr, gammaPtr, betaPtr, meanPtr, variancePtr, yPtr, rstdPtr) {
      for (let j = 0; j < columns; j++) {
        const rstd = reciprocalDeviation(parameter(variancePtr, j, 1), eps);
        if (rstdPtr !== 0) views.f32[(rstdPtr >>> 2) + j] = rstd;
        const scale = f(rstd * parameter(gammaPtr, j, 1));
        const [x, y] = [(xPtr >>> 2) + j, (yPtr >>> 2) + j];
        scaleColumn(rows, stride, x, y, parameter(meanPtr, j, 0), scale, parameter(betaPtr, j, -0));
      }
    },
    batch_norm_backward_f32(
      rows,
      columns,
      stride,
      fixed,
      xPtr,
      dyPtr,
      gammaPtr,
      meanPtr,
      rstdPtr,
      dxPtr,
      dgammaPtr,
      dbetaPtr,
    ) {
      const { f32 } = views;
      for (let j = 0; j < columns; j++) {
        const x = (xPtr >>> 2) + j;
        const dy = (dyPtr >>> 2) + j;
        const mean = parameter(meanPtr, j, 0);
        const rstd = parameter(rstdPtr, j, 1);
        let slopes = 0;
        let products = 0;
        for (let i = 0; i < rows; i++) {
          const slope = f32[dy + i * stride]!;
          slopes += slope;
          products += slope * standardize(f32[x + i * stride]!, mean, rstd);
        }
        if (dbetaPtr !== 0) f32[(dbetaPtr >>> 2) + j] = slopes;
        if (dgammaPtr !== 0) f32[(dgammaPtr >>> 2) + j] = products;
        if (dxPtr === 0) continue;
        const count = fixed ? Number.POSITIVE_INFINITY : rows;
        const a = f(slopes / count);
        const b = f(products / count);
        const scale = f(rstd * parameter(gammaPtr, j, 1));
        const dx = (dxPtr >>> 2) + j;
        for (let i = 0; i < rows; i++) {
          const centered = f(f32[dy + i * stride]! - a);
          f32[dx + i * stride] = scale * f(centered - f(standardize(f32[x + i * stride]!, mean, rstd) * b));
        }
      }
    },
  };
}

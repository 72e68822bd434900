import type { NormKernels } from "../../families/norm.js";
import { joinPartialSums } from "../sums.js";
import type { Views } from "../views.js";
import { standardize, statistics } from "./normalize.js";

const f = Math.fround;
const partial = /* @__PURE__ */ new Float64Array(9);

/**
 * Σ over `spatial` runs of `width` elements in float64: element j of the whole fours of a run goes to partial sum j mod 8,
 * the elements beyond them to one of their own.
 */
function sumOfRuns(spatial: number, width: number, addend: (place: number, j: number) => number): number {
  partial.fill(0);
  const whole = width - (width % 4);
  for (let place = 0; place < spatial; place++) {
    for (let j = 0; j < width; j++) partial[j < whole ? j % 8 : 8]! += addend(place, j);
  }
  return joinPartialSums(partial) + partial[8]!;
}

/** The JavaScript implementation of assembly/norm/group-norm.ts. */
export function groupNormKernels(
  views: Views,
): Pick<NormKernels, "group_norm_f32" | "group_norm_backward_f32" | "group_norm_parameters_f32"> {
  return {
    group_norm_f32(batch, spatial, groups, width, centered, eps, xPtr, gammaPtr, betaPtr, yPtr, meanPtr, rstdPtr) {
      const { f32 } = views;
      const stride = groups * width;
      for (let n = 0; n < batch; n++) {
        for (let group = 0; group < groups; group++) {
          const offset = n * spatial * stride + group * width;
          const x = (xPtr >>> 2) + offset;
          const y = (yPtr >>> 2) + offset;
          const { mean, rstd } = statistics(spatial * width, centered !== 0, eps, (center, square) =>
            sumOfRuns(spatial, width, (place, j) => {
              const d = f(f32[x + place * stride + j]! - center);
              return square ? d * d : d;
            }),
          );
          f32[(meanPtr >>> 2) + n * groups + group] = mean;
          f32[(rstdPtr >>> 2) + n * groups + group] = rstd;
          for (let place = 0; place < spatial; place++) {
            for (let j = 0; j < width; j++) {
              let value = standardize(f32[x + place * stride + j]!, mean, rstd);
              if (gammaPtr !== 0) value = f(value * f32[(gammaPtr >>> 2) + group * width + j]!);
              if (betaPtr !== 0) value += f32[(betaPtr >>> 2) + group * width + j]!;
              f32[y + place * stride + j] = value; // the store rounds
            }
          }
        }
      }
    },
    group_norm_backward_f32(batch, spatial, groups, width, centered, xPtr, dyPtr, gammaPtr, meanPtr, rstdPtr, dxPtr) {
      const { f32 } = views;
      const stride = groups * width;
      const count = spatial * width;
      for (let n = 0; n < batch; n++) {
        for (let group = 0; group < groups; group++) {
          const offset = n * spatial * stride + group * width;
          const x = (xPtr >>> 2) + offset;
          const dy = (dyPtr >>> 2) + offset;
          const dx = (dxPtr >>> 2) + offset;
          const gamma = (gammaPtr >>> 2) + group * width;
          const mean = f32[(meanPtr >>> 2) + n * groups + group]!;
          const rstd = f32[(rstdPtr >>> 2) + n * groups + group]!;
          const slope = (place: number, j: number) => {
            const value = f32[dy + place * stride + j]!;
            return gammaPtr === 0 ? value : f(value * f32[gamma + j]!);
          };
          const hat = (place: number, j: number) => standardize(f32[x + place * stride + j]!, mean, rstd);
          const a = centered ? f(sumOfRuns(spatial, width, slope) / count) : 0;
          const b = f(sumOfRuns(spatial, width, (place, j) => slope(place, j) * hat(place, j)) / count);
          for (let place = 0; place < spatial; place++) {
            for (let j = 0; j < width; j++) {
              f32[dx + place * stride + j] = rstd * f(f(slope(place, j) - a) - f(hat(place, j) * b));
            }
          }
        }
      }
    },
    group_norm_parameters_f32(
      first,
      count,
      batch,
      spatial,
      groups,
      width,
      xPtr,
      dyPtr,
      meanPtr,
      rstdPtr,
      dgammaPtr,
      dbetaPtr,
    ) {
      const { f32 } = views;
      const stride = groups * width;
      for (let j = first; j < first + count; j++) {
        const group = Math.floor(j / width);
        let slopes = 0;
        let products = 0;
        for (let row = 0; row < batch * spatial; row++) {
          const set = Math.floor(row / spatial) * groups + group;
          const slope = f32[(dyPtr >>> 2) + row * stride + j]!;
          const x = f32[(xPtr >>> 2) + row * stride + j]!;
          slopes += slope;
          products += slope * standardize(x, f32[(meanPtr >>> 2) + set]!, f32[(rstdPtr >>> 2) + set]!);
        }
        if (dbetaPtr !== 0) f32[(dbetaPtr >>> 2) + j] = slopes;
        if (dgammaPtr !== 0) f32[(dgammaPtr >>> 2) + j] = products;
      }
    },
  };
}

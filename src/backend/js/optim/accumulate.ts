import { SEGMENT_ACCUMULATOR, SEGMENT_BYTES, SEGMENT_COUNT, SEGMENT_GRAD } from "../../../abi/step-table.js";
import type { CoreKernels } from "../../families/core.js";
import type { Views } from "../views.js";

const ROW = SEGMENT_BYTES / 4;

const f = Math.fround;

/** The JavaScript implementation of assembly/optim/accumulate.ts. Stores to a Float32Array round. */
export function accumulateKernels(views: Views): Pick<CoreKernels, "accumulate_f32"> {
  return {
    accumulate_f32(segmentsPtr, segmentCount, divisor) {
      const { f32, i32 } = views;
      const n = f(divisor); // above 2²⁴ not every integer is a float32
      const segments = segmentsPtr >>> 2;
      for (let segment = segments; segment < segments + segmentCount * ROW; segment += ROW) {
        if (i32[segment + SEGMENT_GRAD] === 0) continue;
        const g = i32[segment + SEGMENT_GRAD]! >>> 2;
        const sum = i32[segment + SEGMENT_ACCUMULATOR]! >>> 2;
        const count = i32[segment + SEGMENT_COUNT]!;
        if (divisor < 0) {
          const adds = g === sum ? 0 : 1;
          for (let i = 0; i < count; i++) f32[sum + i]! += f(f((adds && f32[g + i]!) - f32[sum + i]!) * -n);
        } else if (g !== sum) for (let i = 0; i < count; i++) f32[sum + i]! += f32[g + i]!;
        if (divisor > 0) for (let i = 0; i < count; i++) f32[sum + i]! /= n;
      }
    },
  };
}

// The JavaScript implementation of assembly/optim/muon.ts. Stores to a Float32Array round.

import {
  FORM_NESTEROV,
  GROUP_DECAY_COMPLEMENT,
  GROUP_EPS_OUTSIDE,
  GROUP_FORM,
  GROUP_MOMENTUM,
  GROUP_SCALAR,
  SEGMENT_COLUMNS,
  SEGMENT_COUNT,
  SEGMENT_PARAM,
  SEGMENT_ROWS,
  SEGMENT_SCALAR,
  SEGMENT_STATE,
} from "../../../abi/step-table.js";
import type { MuonKernels } from "../../families/muon.js";
import { gemmKernels } from "../gemm/gemm.js";
import type { Views } from "../views.js";
import { lerpNear, scratchWalker, sumOfSquares, transformAll } from "./transform.js";

const f = Math.fround;

/** b ← lerp(b, g, w), and x takes the gradient's place. */
function average(f32: Float32Array, i32: Int32Array, b: number, x: number, count: number, group: number): void {
  const weight = f32[group + GROUP_DECAY_COMPLEMENT]!;
  const momentum = f32[group + GROUP_MOMENTUM]!;
  const nesterov = i32[group + GROUP_FORM]! & FORM_NESTEROV;
  for (let i = 0; i < count; i++) {
    const g = f32[x + i]!;
    f32[b + i] = lerpNear(f32[b + i]!, g, weight);
    f32[x + i] = nesterov ? lerpNear(g, f32[b + i]!, momentum) : f32[b + i]!;
  }
}

export function muonKernels(views: Views): MuonKernels {
  const { gemm_f32 } = gemmKernels(views);
  /** C ← alpha·op(A)·op(B) + beta·C, of addresses. */
  // biome-ignore format: operand by operand
  const product = (
    m: number, n: number, k: number, alpha: number, a: number, lda: number, transposeA: number,
    b: number, ldb: number, transposeB: number, beta: number, c: number,
  ): void => gemm_f32(1, m, n, k, alpha, a, 0, lda, transposeA, b, 0, ldb, transposeB, beta, c, 0, n, 0, 0, 0);
  return {
    muon_f32: scratchWalker(views, (f32, i32, segment, group, scratch) => {
      const rows = i32[segment + SEGMENT_ROWS]!;
      const columns = i32[segment + SEGMENT_COLUMNS]!;
      const count = i32[segment + SEGMENT_COUNT]! >>> 0;
      const [alpha, beta, gamma] = f32.subarray(group + GROUP_SCALAR, group + GROUP_SCALAR + 3);
      const short = Math.min(rows, columns);
      const long = Math.max(rows, columns);
      const tall = rows > columns ? 1 : 0;
      let x = scratch;
      let next = x + count;
      const gram = next + count;
      const update = gram + short * short;

      transformAll(f32, i32, segment, group, x);
      average(f32, i32, i32[segment + SEGMENT_STATE]! >>> 2, x, count, group);
      const norm = f(Math.sqrt(sumOfSquares(f32, x, count)));
      const eps = f32[group + GROUP_EPS_OUTSIDE]!;
      const divisor = norm < eps ? eps : norm;
      for (let i = 0; i < count; i++) f32[x + i]! /= divisor;
      for (let i = f32[group + GROUP_SCALAR + 3]!; i > 0; i--) {
        product(short, short, long, 1, x * 4, columns, tall, x * 4, columns, 1 - tall, 0, gram * 4);
        f32.copyWithin(update, gram, gram + short * short);
        product(short, short, short, gamma!, gram * 4, short, 0, gram * 4, short, 0, beta!, update * 4);
        f32.copyWithin(next, x, x + count);
        if (tall) product(rows, columns, columns, 1, x * 4, columns, 0, update * 4, short, 0, alpha!, next * 4);
        else product(rows, columns, rows, 1, update * 4, short, 0, x * 4, columns, 0, alpha!, next * 4);
        [x, next] = [next, x];
      }
      const p = i32[segment + SEGMENT_PARAM]! >>> 2;
      const rate = f32[segment + SEGMENT_SCALAR]!;
      for (let i = 0; i < count; i++) f32[p + i]! -= f(rate * f32[x + i]!);
    }),
    muon_scratch_bytes: (count, rows, columns) => (2 * count + 2 * Math.min(rows, columns) ** 2) * 4,
  };
}

import type { AttentionKernels } from "../../families/attention.js";
import { gemmKernels } from "../gemm/gemm.js";
import { exponential, maximum, rowSum } from "../softmax.js";
import type { Views } from "../views.js";
import { attentionScratchBytes } from "./scratch.js";

const BLOCK = 64;
const f = Math.fround;

/** The JavaScript implementation of assembly/attention/attention.ts. */
export function attentionKernels(views: Views): AttentionKernels {
  const { gemm_f32 } = gemmKernels(views);

  /** One product; the left operand is transposed with `transposeA`, the right one with `transposeB`. */
  function multiply(
    m: number,
    n: number,
    k: number,
    alpha: number,
    [a, lda, transposeA]: readonly [number, number, number],
    [b, ldb, transposeB]: readonly [number, number, number],
    beta: number,
    [c, ldc]: readonly [number, number],
  ): void {
    gemm_f32(1, m, n, k, alpha, a, 0, lda, transposeA, b, 0, ldb, transposeB, beta, c, 0, ldc, 0, 0, 0);
  }

  /** Turns a row of scores into weights: a softmax over the keys that are visible, 0 for all others. */
  function weigh(row: number, visible: number, keys: number, mask: number): void {
    const { f32 } = views;
    if (mask !== 0) {
      for (let j = 0; j < visible; j++) if (f32[(mask >>> 2) + j] === 0) f32[row + j] = Number.NEGATIVE_INFINITY;
    }
    const most = maximum(f32, row, visible);
    const shift = most === Number.NEGATIVE_INFINITY ? 0 : most;
    for (let j = 0; j < visible; j++) f32[row + j] = exponential(f32[row + j]!, shift);
    const sum = rowSum(visible, (j) => f32[row + j]!);
    const weighed = sum === 0 ? 0 : visible;
    for (let j = 0; j < weighed; j++) f32[row + j] = f32[row + j]! / sum;
    f32.fill(0, row + weighed, row + keys);
  }

  /** ds = p·(ds − Σ ds·p) for a row. */
  function weighBackward(keys: number, p: number, ds: number): void {
    const { f32 } = views;
    const sum = rowSum(keys, (j) => f(f32[ds + j]! * f32[p + j]!));
    for (let j = 0; j < keys; j++) f32[ds + j] = f32[p + j]! * f(f32[ds + j]! - sum);
  }

  /** The first of a head's numbers in an array [batch, length, heads, size]. */
  function headOf(ptr: number, pair: number, heads: number, length: number, size: number): number {
    return ptr + 4 * (Math.floor(pair / heads) * length * heads * size + (pair % heads) * size);
  }

  return {
    attention_scratch_bytes: attentionScratchBytes,
    attention_f32(
      first,
      count,
      heads,
      queries,
      keys,
      keySize,
      valueSize,
      causal,
      alpha,
      qPtr,
      kPtr,
      vPtr,
      maskPtr,
      oPtr,
      scratchPtr,
    ) {
      const [keyStride, valueStride] = [heads * keySize, heads * valueSize];
      for (let pair = first; pair < first + count; pair++) {
        const q = headOf(qPtr, pair, heads, queries, keySize);
        const k = headOf(kPtr, pair, heads, keys, keySize);
        const v = headOf(vPtr, pair, heads, keys, valueSize);
        const o = headOf(oPtr, pair, heads, queries, valueSize);
        const mask = maskPtr && maskPtr + 4 * Math.floor(pair / heads) * keys;
        for (let i = 0; i < queries; i += BLOCK) {
          const rows = Math.min(queries - i, BLOCK);
          const seen = causal ? Math.min(keys, i + rows) : keys;
          multiply(rows, seen, keySize, alpha, [q + 4 * i * keyStride, keyStride, 0], [k, keyStride, 1], 0, [
            scratchPtr,
            seen,
          ]);
          for (let row = 0; row < rows; row++) {
            weigh((scratchPtr >>> 2) + row * seen, causal ? Math.min(i + row + 1, seen) : seen, seen, mask);
          }
          multiply(rows, valueSize, seen, 1, [scratchPtr, seen, 0], [v, valueStride, 0], 0, [
            o + 4 * i * valueStride,
            valueStride,
          ]);
        }
      }
    },
    attention_backward_f32(
      first,
      count,
      heads,
      queries,
      keys,
      keySize,
      valueSize,
      causal,
      alpha,
      qPtr,
      kPtr,
      vPtr,
      maskPtr,
      doPtr,
      dqPtr,
      dkPtr,
      dvPtr,
      scratchPtr,
    ) {
      const { f32 } = views;
      const [keyStride, valueStride] = [heads * keySize, heads * valueSize];
      const ds = scratchPtr + 4 * Math.min(queries, BLOCK) * keys;
      const last = Math.floor((queries - 1) / BLOCK) * BLOCK;
      const reached = causal ? Math.min(keys, queries) : queries ? keys : 0;
      for (let pair = first; pair < first + count; pair++) {
        const q = headOf(qPtr, pair, heads, queries, keySize);
        const k = headOf(kPtr, pair, heads, keys, keySize);
        const v = headOf(vPtr, pair, heads, keys, valueSize);
        const slopes = headOf(doPtr, pair, heads, queries, valueSize);
        const dq = headOf(dqPtr, pair, heads, queries, keySize);
        const dk = headOf(dkPtr, pair, heads, keys, keySize);
        const dv = headOf(dvPtr, pair, heads, keys, valueSize);
        const mask = maskPtr && maskPtr + 4 * Math.floor(pair / heads) * keys;
        for (let j = reached; j < keys; j++) {
          f32.fill(0, (dk >>> 2) + j * keyStride, (dk >>> 2) + j * keyStride + keySize);
          f32.fill(0, (dv >>> 2) + j * valueStride, (dv >>> 2) + j * valueStride + valueSize);
        }
        for (let i = last; i >= 0; i -= BLOCK) {
          const rows = Math.min(queries - i, BLOCK);
          const seen = causal ? Math.min(keys, i + rows) : keys;
          const beta = i === last ? 0 : 1;
          const qi = [q + 4 * i * keyStride, keyStride, 0] as const;
          const si = [slopes + 4 * i * valueStride, valueStride, 0] as const;
          multiply(rows, seen, keySize, alpha, qi, [k, keyStride, 1], 0, [scratchPtr, seen]);
          for (let row = 0; row < rows; row++) {
            weigh((scratchPtr >>> 2) + row * seen, causal ? Math.min(i + row + 1, seen) : seen, seen, mask);
          }
          multiply(seen, valueSize, rows, 1, [scratchPtr, seen, 1], si, beta, [dv, valueStride]);
          multiply(rows, seen, valueSize, 1, si, [v, valueStride, 1], 0, [ds, seen]);
          for (let row = 0; row < rows; row++) {
            weighBackward(seen, (scratchPtr >>> 2) + row * seen, (ds >>> 2) + row * seen);
          }
          multiply(rows, keySize, seen, alpha, [ds, seen, 0], [k, keyStride, 0], 0, [
            dq + 4 * i * keyStride,
            keyStride,
          ]);
          multiply(seen, keySize, rows, alpha, [ds, seen, 1], qi, beta, [dk, keyStride]);
        }
      }
    },
  };
}

// Scaled dot-product attention of several heads, and its gradient. No array of queries × keys is kept: each head's scores
// exist for a block of queries at a time, in scratch, and the gradient computes them again.

import { gemm_f32 } from "../gemm/gemm";
import { maximum, sumOfExponentials, sumOfProducts } from "../softmax";

/** Queries whose scores are in scratch at once. Part of the algorithm: gradients of keys are added block by block. */
const BLOCK: usize = 64;

/**
 * Bytes of scratch that both kernels need for one thread. Large enough for every tile, so that all binaries and the
 * JavaScript kernels say the same; ATTENTION_SCRATCH in src/backend/families/attention.ts.
 *
 * Memory: | scores of a block | their gradients | scratch of products |.
 */
export function attention_scratch_bytes(queries: usize, keys: usize, keySize: usize, valueSize: usize): usize {
  const size = max(keySize, valueSize);
  const longest = max(max(keys, size), BLOCK);
  return 4 * (2 * min(queries, BLOCK) * keys + (keys + 15) * (size + 15) + 103 * longest + 1568);
}

function fillZeros(count: usize, ptr: usize): void {
  memory.fill(ptr, 0, count << 2);
}

/** Turns a row of scores into weights: a softmax over the keys that are visible, 0 for all others. */
function weigh(row: usize, visible: usize, keys: usize, mask: usize): void {
  if (mask) {
    for (let j: usize = 0; j < visible; j++) {
      if (load<f32>(mask + (j << 2)) == 0) store<f32>(row + (j << 2), -Infinity);
    }
  }
  const most = maximum(row, visible);
  const sum = sumOfExponentials(row, visible, most == -Infinity ? 0 : most, row);
  if (sum == 0) visible = 0; // every key is masked
  let at = row;
  let count = visible;
  for (; count >= 4; count -= 4, at += 16) v128.store(at, f32x4.div(v128.load(at), f32x4.splat(sum)));
  for (; count; count--, at += 4) store<f32>(at, load<f32>(at) / sum);
  fillZeros(keys - visible, row + (visible << 2));
}

/** ds = p·(ds − Σ ds·p) for a row. */
function weighBackward(keys: usize, p: usize, ds: usize): void {
  const sum = sumOfProducts(keys, ds, p);
  for (; keys >= 4; keys -= 4, p += 16, ds += 16) {
    v128.store(ds, f32x4.mul(v128.load(p), f32x4.sub(v128.load(ds), f32x4.splat(sum))));
  }
  for (; keys; keys--, p += 4, ds += 4) store<f32>(ds, load<f32>(p) * (load<f32>(ds) - sum));
}

/** Weights of `rows` queries from query `first` on, [rows, seen]. */
function weights(
  first: usize, rows: usize, seen: usize, keySize: usize, causal: bool, alpha: f32,
  q: usize, k: usize, stride: usize, mask: usize, to: usize, scratch: usize,
): void {
  gemm_f32(
    1, rows, seen, keySize, alpha, q, 0, stride, false, k, 0, stride, true, 0, to, 0, seen, 0, 0, scratch,
  );
  for (let i: usize = 0; i < rows; i++) {
    weigh(to + ((i * seen) << 2), causal ? min(first + i + 1, seen) : seen, seen, mask);
  }
}

/**
 * o[b, i, h] = Σⱼ p[i, j]·v[b, j, h] with p[i] = softmax over j of alpha·q[b, i, h]·k[b, j, h], for pairs (b, h) of example
 * and head from pair `first` on, `count` of them; pair b·heads + h. Shapes: q [batch, queries, heads, keySize], k [batch,
 * keys, heads, keySize], v [batch, keys, heads, valueSize], o [batch, queries, heads, valueSize], mask [batch, keys] or 0:
 * absent. Every address is that of pair 0.
 *
 * Key j is hidden where mask[b, j] is 0, and if `causal` from all queries i < j. A query that sees no key gives 0. What is
 * hidden must be finite: its weight is 0, and 0·∞ is NaN.
 *
 * Requires: o overlaps nothing; `scratchPtr` has `attention_scratch_bytes`.
 * Numerics: products as `gemm_f32`; a row of weights is a softmax as in `softmax_f32`, over the keys up to query i if
 * causal. Queries are taken in blocks of 64; no bit of o depends on that.
 */
export function attention_f32(
  first: usize, count: usize, heads: usize, queries: usize, keys: usize, keySize: usize, valueSize: usize,
  causal: bool, alpha: f32, qPtr: usize, kPtr: usize, vPtr: usize, maskPtr: usize, oPtr: usize, scratchPtr: usize,
): void {
  assert(!((qPtr | kPtr | vPtr | maskPtr | oPtr | scratchPtr) & 3), "operands are 4-byte aligned");
  const keyStride = heads * keySize, valueStride = heads * valueSize;
  const products = scratchPtr + ((min(queries, BLOCK) * keys) << 2);
  for (; count; count--, first++) {
    const example = first / heads, head = first % heads;
    const q = qPtr + ((example * queries * keyStride + head * keySize) << 2);
    const k = kPtr + ((example * keys * keyStride + head * keySize) << 2);
    const v = vPtr + ((example * keys * valueStride + head * valueSize) << 2);
    const o = oPtr + ((example * queries * valueStride + head * valueSize) << 2);
    const mask = maskPtr ? maskPtr + ((example * keys) << 2) : 0;
    for (let i: usize = 0; i < queries; i += BLOCK) {
      const rows = min(queries - i, BLOCK);
      const seen = causal ? min(keys, i + rows) : keys;
      const qi = q + ((i * keyStride) << 2), oi = o + ((i * valueStride) << 2);
      weights(i, rows, seen, keySize, causal, alpha, qi, k, keyStride, mask, scratchPtr, products);
      gemm_f32(
        1, rows, valueSize, seen, 1, scratchPtr, 0, seen, false, v, 0, valueStride, false,
        0, oi, 0, valueStride, 0, 0, products,
      );
    }
  }
}

/**
 * dq, dk and dv of `attention_f32` from its operands and do, for the same pairs: with dp = do·vᵀ and
 * ds = p·(dp − Σ dp·p), dq = alpha·ds·k, dk = alpha·dsᵀ·q, dv = pᵀ·do.
 *
 * Requires: dq, dk and dv overlap nothing; `scratchPtr` has `attention_scratch_bytes`.
 * Numerics: the weights are computed as `attention_f32` does, so they have its bits. Blocks of 64 queries are taken from
 * the last to the first; dk and dv add the product of a block to those of the blocks behind it.
 */
export function attention_backward_f32(
  first: usize, count: usize, heads: usize, queries: usize, keys: usize, keySize: usize, valueSize: usize,
  causal: bool, alpha: f32, qPtr: usize, kPtr: usize, vPtr: usize, maskPtr: usize, doPtr: usize,
  dqPtr: usize, dkPtr: usize, dvPtr: usize, scratchPtr: usize,
): void {
  assert(!((qPtr | kPtr | vPtr | maskPtr | doPtr | scratchPtr) & 3), "operands are 4-byte aligned");
  assert(!((dqPtr | dkPtr | dvPtr) & 3), "results are 4-byte aligned");
  const keyStride = heads * keySize, valueStride = heads * valueSize;
  const scores = (min(queries, BLOCK) * keys) << 2;
  const ds = scratchPtr + scores;
  const products = ds + scores;
  const last = queries ? ((queries - 1) / BLOCK) * BLOCK : 0;
  const reached = causal ? min(keys, queries) : queries ? keys : 0;
  for (; count; count--, first++) {
    const example = first / heads, head = first % heads;
    const queryOffset = (example * queries * keyStride + head * keySize) << 2;
    const keyOffset = (example * keys * keyStride + head * keySize) << 2;
    const valueOffset = (example * keys * valueStride + head * valueSize) << 2;
    const q = qPtr + queryOffset, k = kPtr + keyOffset, v = vPtr + valueOffset;
    const dq = dqPtr + queryOffset, dk = dkPtr + keyOffset, dv = dvPtr + valueOffset;
    const slopes = doPtr + ((example * queries * valueStride + head * valueSize) << 2);
    const mask = maskPtr ? maskPtr + ((example * keys) << 2) : 0;
    for (let j = reached; j < keys; j++) {
      fillZeros(keySize, dk + ((j * keyStride) << 2));
      fillZeros(valueSize, dv + ((j * valueStride) << 2));
    }
    if (!queries) continue;
    for (let i = last;; i -= BLOCK) {
      const rows = min(queries - i, BLOCK);
      const seen = causal ? min(keys, i + rows) : keys;
      const beta: f32 = i == last ? 0 : 1;
      const qi = q + ((i * keyStride) << 2), si = slopes + ((i * valueStride) << 2);
      weights(i, rows, seen, keySize, causal, alpha, qi, k, keyStride, mask, scratchPtr, products);
      gemm_f32(
        1, seen, valueSize, rows, 1, scratchPtr, 0, seen, true, si, 0, valueStride, false,
        beta, dv, 0, valueStride, 0, 0, products,
      );
      gemm_f32(
        1, rows, seen, valueSize, 1, si, 0, valueStride, false, v, 0, valueStride, true,
        0, ds, 0, seen, 0, 0, products,
      );
      for (let row: usize = 0; row < rows; row++) {
        const offset = (row * seen) << 2;
        weighBackward(seen, scratchPtr + offset, ds + offset);
      }
      gemm_f32(
        1, rows, keySize, seen, alpha, ds, 0, seen, false, k, 0, keyStride, false,
        0, dq + ((i * keyStride) << 2), 0, keyStride, 0, 0, products,
      );
      gemm_f32(
        1, seen, keySize, rows, alpha, ds, 0, seen, true, qi, 0, keyStride, false,
        beta, dk, 0, keyStride, 0, 0, products,
      );
      if (!i) break;
    }
  }
}

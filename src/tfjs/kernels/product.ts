import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { KernelContext } from "./kernel.js";

/**
 * activation(op(a)·op(b) + bias) over the last two axes, with the axes before them broadcast; undefined if the shapes do
 * not fit. Numerics: as `matmul`.
 *
 * @param bias address of a vector, or 0
 * @param activation its number in ACTIVATION
 */
export function product(
  a: TensorInfo,
  b: TensorInfo,
  transposeA: boolean,
  transposeB: boolean,
  bias: number,
  activation: number,
  context: KernelContext,
): TensorInfo | undefined {
  const rankA = a.shape.length;
  const rankB = b.shape.length;
  const m = a.shape[rankA - (transposeA ? 1 : 2)]!;
  const k = a.shape[rankA - (transposeA ? 2 : 1)]!;
  const n = b.shape[rankB - (transposeB ? 2 : 1)]!;
  if (k !== b.shape[rankB - (transposeB ? 1 : 2)]) return undefined;
  const shape = outerShape(a.shape, b.shape);
  if (shape === undefined) return undefined;
  let batch = 1;
  for (const size of shape) batch *= size;
  const batchA = outerSize(a.shape);
  const batchB = outerSize(b.shape);
  shape.push(m, n);
  const out = context.heap.output(shape);
  const aPtr = context.heap.address(a);
  const bPtr = context.heap.address(b);
  const cPtr = context.heap.address(out);
  // One matrix B for a whole batch of A: the batch is then just more rows.
  const merged = batchB === 1 && !transposeA;
  const rows = merged ? batch * m : m;
  const { core } = context;
  const scratch = context.heap.core.scratch(core.gemm_scratch_bytes(rows, n, k, +transposeA, +transposeB, 0));
  const lda = transposeA ? m : k;
  const ldb = transposeB ? k : n;
  const strideA = batchA === 1 ? 0 : m * k;
  const strideB = batchB === 1 ? 0 : k * n;
  if (merged || ((batchA === 1 || batchA === batch) && (batchB === 1 || batchB === batch))) {
    const count = merged ? 1 : batch;
    // biome-ignore format: the arguments of BLAS, an operand a line
    core.gemm_f32(
      count, rows, n, k, 1,
      aPtr, strideA, lda, +transposeA,
      bPtr, strideB, ldb, +transposeB,
      0, cPtr, m * n, n,
      bias, activation, scratch,
    );
    return out;
  }
  // Axes of 1 beside others: each product has its own pair of matrices.
  for (let i = 0; i < batch; i++) {
    const aAt = aPtr + 4 * m * k * sourceOf(i, shape, a.shape);
    const bAt = bPtr + 4 * k * n * sourceOf(i, shape, b.shape);
    // biome-ignore format: as above
    core.gemm_f32(
      1, m, n, k, 1,
      aAt, 0, lda, +transposeA,
      bAt, 0, ldb, +transposeB,
      0, cPtr + 4 * m * n * i, m * n, n,
      bias, activation, scratch,
    );
  }
  return out;
}

function outerSize(shape: readonly number[]): number {
  let size = 1;
  for (let axis = 0; axis < shape.length - 2; axis++) size *= shape[axis]!;
  return size;
}

/** The axes before the last two of both, broadcast; undefined if they do not fit. */
function outerShape(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let axis = 0; axis < rank - 2; axis++) {
    const sizeA = a[axis - rank + a.length] ?? 1;
    const sizeB = b[axis - rank + b.length] ?? 1;
    if (sizeA !== sizeB && sizeA !== 1 && sizeB !== 1) return undefined;
    shape.push(sizeA === 1 ? sizeB : sizeA);
  }
  return shape;
}

/** Which matrix of an operand belongs to matrix number `index` of the result. */
function sourceOf(index: number, result: readonly number[], operand: readonly number[]): number {
  let [source, step, rest] = [0, 1, index];
  for (let axis = result.length - 3; axis >= 0; axis--) {
    const size = operand[axis - result.length + operand.length] ?? 1;
    if (size !== 1) source += step * (rest % result[axis]!);
    step *= size;
    rest = Math.floor(rest / result[axis]!);
  }
  return source;
}

import type { CoreKernels } from "../families/core.js";
import { ARGUMENTS, MAX_CHUNKS, operandsOf, ROW } from "./job-queue.js";
import { COPY_BACK, COPY_IN } from "./operands.js";
import { type Describe, type Pool, rangesOf } from "./pool.js";
import { GAINS_ASLEEP, GAINS_AWAKE } from "./shared-call.js";

/** Chunks of a batch for each thread. Of a single product there is one: each packs anew what it shares with others. */
const BATCH_CHUNKS = 4;
/**
 * The least of a chunk, in rows and in columns: a tile has no more. Twelve rows and fewer read packed panels from end to
 * end, which takes more scratch than the whole product has (`depthOf` in assembly/gemm/gemm.ts).
 */
const ROWS = 16;
const COLUMNS = 16;
/** Where rows are cut: 12 would leave chunks too unequal, for 128 rows by a tenth. */
const ROW_GRAIN = 4;

/** What a multiply-add of one row, or of up to three columns, counts: in tiles three are done in its time. */
const THIN = 3;

// Those of the arguments that differ from chunk to chunk.
const BATCH = 0;
const M = 1;
const N = 2;
const A = 5;
const B = 9;
const C = 14;
const BIAS = 17;
const SCRATCH = 19;

/** Along which argument a product is cut, at multiples of what, and into how many chunks. */
interface Plan {
  dimension: number;
  length: number;
  grain: number;
  chunks: number;
}

function plan(batch: number, m: number, n: number, threads: number): Plan {
  const most = Math.min(threads * BATCH_CHUNKS, MAX_CHUNKS);
  if (batch >= most) return { dimension: BATCH, length: batch, grain: 1, chunks: most };
  const wanted = Math.min(threads, MAX_CHUNKS);
  const rowChunks = Math.min(wanted, Math.floor(m / ROWS));
  const columnChunks = Math.min(wanted, Math.floor(n / COLUMNS));
  const byRows = rowChunks === columnChunks ? m >= n : rowChunks > columnChunks;
  return byRows
    ? { dimension: M, length: m, grain: ROW_GRAIN, chunks: rowChunks }
    : { dimension: N, length: n, grain: COLUMNS, chunks: columnChunks };
}

/**
 * `gemm_f32` on all threads: cut along the batch, else along the rows or the columns of C. An element's bits do not
 * depend on where cuts fall, because it is a sum of its own, in the order of k. Chunks of rows share op(B), chunks of
 * columns share op(A), and each packs for itself what it shares: so the longer dimension is cut, unless only the other
 * one gives every thread a chunk. See decision 0007 for the limits.
 */
export function threadedGemm(
  pool: Pool,
  one: CoreKernels,
  run: (chunks: number, describe: Describe) => void,
): Pick<CoreKernels, "gemm_f32"> {
  const { rows } = pool.queue;
  const row = new Float64Array(ARGUMENTS);
  /** Where the chunks of the last product begin, and where the last one ends. */
  const starts: number[] = [];
  let cutAlong = "";
  const describe: Describe = (chunks) =>
    `a product: ${cutAlong} ${rangesOf(chunks.map((chunk) => [starts[chunk]!, starts[chunk + 1]!]))} of its result`;

  // biome-ignore format: operand by operand, as in the kernel
  /** Computes the product on all threads; false if it cannot be cut. */
  function share(
    batch: number, m: number, n: number, k: number, alpha: number,
    a: number, strideA: number, lda: number, transposeA: number,
    b: number, strideB: number, ldb: number, transposeB: number,
    beta: number, c: number, strideC: number, ldc: number,
    bias: number, activation: number, scratch: number,
  ): boolean {
    const { dimension, length, grain, chunks } = plan(batch, m, n, pool.threads);
    if (chunks < 2) return false;
    row.set([
      batch, m, n, k, alpha, a, strideA, lda, transposeA, b, strideB, ldb, transposeB,
      beta, c, strideC, ldc, bias, activation, scratch,
    ]);
    const scratchBytes = one.gemm_scratch_bytes(m, n, k, transposeA, transposeB, beta);
    const use = beta === 0 ? COPY_BACK : COPY_IN | COPY_BACK;
    pool.operands.begin();
    // Bytes from one batch, row or column to the next.
    const aStep = 4 * (dimension === BATCH ? strideA : dimension === N ? 0 : transposeA ? 1 : lda);
    const bStep = 4 * (dimension === BATCH ? strideB : dimension === M ? 0 : transposeB ? ldb : 1);
    const cStep = 4 * (dimension === BATCH ? strideC : dimension === M ? ldc : 1);
    const biasStep = dimension === N && bias !== 0 ? 4 : 0;
    let start = 0;
    starts.length = 0;
    for (let chunk = 0; chunk < chunks; chunk++) {
      const end = chunk + 1 === chunks ? length : Math.round(((chunk + 1) * length) / chunks / grain) * grain;
      starts.push(start);
      row[dimension] = end - start;
      row[A] = a + start * aStep;
      row[B] = b + start * bStep;
      row[C] = c + start * cStep;
      row[BIAS] = bias + start * biasStep;
      rows.set(row, chunk * ROW);
      pool.operands.chunk(operandsOf(chunk * ROW));
      pool.operands.blocks(C, use, 0, row[BATCH]!, strideC * 4, row[M]!, ldc * 4, row[N]! * 4);
      pool.operands.scratch(SCRATCH, scratchBytes);
      start = end;
    }
    starts.push(length);
    cutAlong = dimension === BATCH ? "products" : dimension === M ? "rows" : "columns";
    if (!pool.reserveOperands(pool.operands.bytes)) return false;
    run(chunks, describe);
    return true;
  }

  return {
    // biome-ignore format: operand by operand, as in the kernel
    gemm_f32(
      batch, m, n, k, alpha, a, strideA, lda, transposeA, b, strideB, ldb, transposeB,
      beta, c, strideC, ldc, bias, activation, scratch,
    ) {
      const work = batch * m * n * k * (m === 1 || n <= 3 ? THIN : 1);
      const isShared = pool.isWorthwhile(work, GAINS_AWAKE, GAINS_ASLEEP) && share(
        batch, m, n, k, alpha, a, strideA, lda, transposeA, b, strideB, ldb, transposeB,
        beta, c, strideC, ldc, bias, activation, scratch,
      );
      if (isShared) return;
      one.gemm_f32(
        batch, m, n, k, alpha, a, strideA, lda, transposeA, b, strideB, ldb, transposeB,
        beta, c, strideC, ldc, bias, activation, scratch,
      );
    },
  };
}

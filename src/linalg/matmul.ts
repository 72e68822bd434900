import { PACKED } from "../abi/packed.js";
import { ACTIVATION, type Activation } from "../backend/backend.js";
import { coreFamily } from "../backend/families/core.js";
import { checkBoolean, checkChoice, checkKeys, unexpected } from "../checks.js";
import { OptionError, ShapeError } from "../errors.js";
import { checkOwned, checkRank, checkTensor, type Operand, PackedTensor } from "../packed.js";
import type { Tensor } from "../tensor.js";

/** Options of `matmul`. */
export interface MatmulOptions {
  /** Where the product goes, of its exact shape; not an operand. Default: a new tensor. */
  out?: Tensor;
  /** Use the transpose of each matrix of `a`: it is then [k, m]. Rank 1 has none. Default false. */
  transposeA?: boolean;
  /**
   * Use the transpose of each matrix of `b`: it is then [n, k]. Rank 1 has none. Default false. Of a packed `b` it is
   * chosen in `core.pack`.
   */
  transposeB?: boolean;
  /** Factor of the product. Default 1. */
  alpha?: number;
  /** Factor of the previous contents of `out`. 0 (default) never reads it, so NaN there does not matter. */
  beta?: number;
  /** A vector [n] added to every row. */
  bias?: Tensor;
  /** Applied last. Default `"identity"`. */
  activation?: Activation;
}

const OPTIONS = ["out", "transposeA", "transposeB", "alpha", "beta", "bias", "activation"];
const ACTIVATIONS = Object.keys(ACTIVATION);
const NO_OPTIONS: MatmulOptions = {};

/**
 * The matrix product activation(alpha·op(a)·op(b) + beta·out + bias).
 *
 * | operand | shape | |
 * |---|---|---|
 * | a | [m, k], [batch, m, k] or [k] | read |
 * | b | [k, n], [batch, k, n] or [k] | read; a single matrix serves every batch |
 * | bias | [n] | read |
 * | out | [m, n] or [batch, m, n] | written; read if beta ≠ 0 |
 *
 * `b` may be a tensor or what `core.pack` made of one.
 *
 * Rank 1 follows NumPy: a vector on the left is a row, on the right a column, and its dimension leaves the result.
 * A batch of 1 is repeated as needed. Any dimension may be 0; with k = 0 the product itself is 0.
 *
 * Numerics: every element adds its k products in ascending order, each product and sum rounded to float32, so its bits
 * do not depend on m, n, the batch, the backend or the machine. |error| ≤ k·u/(1 − k·u) · Σ|aᵢ·bᵢ| with u = 2⁻²⁴.
 * With `arithmetic: "relaxed"` a product and its sum may round once.
 *
 * Cost: 2·batch·m·n·k flops, one call into Wasm. Into `out` nothing is allocated, once the core's scratch is large enough.
 *
 * @throws ShapeError with both shapes when they do not fit; OptionError, DisposedError, OutOfMemoryError. Nothing is then written.
 * @example
 * const a = core.tensor([2, 3], [1, 2, 3, 4, 5, 6]);
 * const b = core.tensor([3, 2], [1, 0, 0, 1, 1, 1]);
 * matmul(a, b).toArray(); // [[4, 5], [10, 11]]
 * @see BLAS sgemm; NumPy matmul for the ranks
 */
export function matmul(a: Tensor, b: Tensor | PackedTensor, options: MatmulOptions = NO_OPTIONS): Tensor {
  checkKeys("options", options, OPTIONS);
  const { out, transposeA = false, transposeB = false, alpha = 1, beta = 0, bias, activation = "identity" } = options;
  checkTensor("a", a, undefined);
  const core = a.core;
  const isPacked = b instanceof PackedTensor;
  if (isPacked) checkOwned("b", b, core);
  else checkTensor("b", b, core);
  if (out !== undefined) checkTensor("out", out, core);
  if (bias !== undefined) checkTensor("bias", bias, core);
  checkBoolean("transposeA", transposeA);
  checkBoolean("transposeB", transposeB);
  checkFactor("alpha", alpha);
  checkFactor("beta", beta);
  checkChoice("activation", activation, ACTIVATIONS);
  checkRank("a", a);
  checkRank("b", b);
  if (isPacked && transposeB) throw new OptionError("transposeB is true, but b is packed: choose it in core.pack");

  const aRank = a.shape.length;
  const bRank = b.shape.length;
  const flipA = transposeA && aRank > 1;
  const flipB = transposeB && bRank > 1;
  const aRows = aRank === 1 ? 1 : a.shape[aRank - 2]!;
  const aColumns = a.shape[aRank - 1]!;
  const bRows = bRank === 1 ? b.shape[0]! : b.shape[bRank - 2]!;
  const bColumns = bRank === 1 ? 1 : b.shape[bRank - 1]!;
  const m = flipA ? aColumns : aRows;
  const k = flipA ? aRows : aColumns;
  const n = flipB ? bRows : bColumns;
  const aBatch = aRank === 3 ? a.shape[0]! : 1;
  const bBatch = bRank === 3 ? b.shape[0]! : 1;
  if (k !== (flipB ? bColumns : bRows)) throw mismatch("inner dimensions differ", a, b, flipA, flipB);
  if (aBatch !== bBatch && aBatch !== 1 && bBatch !== 1) throw mismatch("batches differ", a, b, flipA, flipB);
  const batch = aBatch === 1 ? bBatch : aBatch;
  if (bias !== undefined && (bias.shape.length !== 1 || bias.size !== n)) {
    throw new ShapeError(`bias has shape [${bias.shape}], expected [${n}] for a [${a.shape}] and b [${b.shape}]`);
  }

  if (out !== undefined && !isProduct(out, aRank, bRank, batch, m, n)) {
    const expected = productShape(aRank, bRank, batch, m, n);
    throw new ShapeError(`out has shape [${out.shape}], expected [${expected}] for a [${a.shape}] and b [${b.shape}]`);
  }
  if (out !== undefined && (out === a || out === b || out === bias)) {
    throw new OptionError(
      `out is the same tensor as ${out === a ? "a" : out === b ? "b" : "bias"}, expected another one`,
    );
  }
  if (out === undefined && beta !== 0) throw new OptionError(`beta is ${beta}, but there is no out to scale`);

  // One matrix B for a whole batch of A: the batch is then just more rows.
  const merge = bBatch === 1 && !flipA;
  const rows = merge ? batch * m : m;
  const c = out ?? core.tensor(productShape(aRank, bRank, batch, m, n));
  let scratch: number;
  try {
    scratch = core.scratch(core.kernels(coreFamily).gemm_scratch_bytes(rows, n, k, +flipA, +flipB, beta));
  } catch (error) {
    if (out === undefined) c.dispose();
    throw error;
  }
  core
    .kernels(coreFamily)
    .gemm_f32(
      merge ? 1 : batch,
      rows,
      n,
      k,
      alpha,
      a.ptr,
      aBatch === 1 ? 0 : m * k,
      aColumns,
      +flipA,
      b.ptr,
      bBatch === 1 ? 0 : isPacked ? b.block.shape[1]! : k * n,
      isPacked ? k : bColumns,
      isPacked ? PACKED : +flipB,
      beta,
      c.ptr,
      m * n,
      n,
      bias === undefined ? 0 : bias.ptr,
      ACTIVATION[activation],
      scratch,
    );
  return c;
}

function checkFactor(name: string, value: unknown): void {
  if (typeof value === "number" && !Number.isNaN(value)) return;
  throw unexpected(name, value, "a number");
}

function isProduct({ shape }: Tensor, aRank: number, bRank: number, batch: number, m: number, n: number): boolean {
  let axis = 0;
  if ((aRank === 3 || bRank === 3) && shape[axis++] !== batch) return false;
  if (aRank > 1 && shape[axis++] !== m) return false;
  if (bRank > 1 && shape[axis++] !== n) return false;
  return axis === shape.length;
}

function productShape(aRank: number, bRank: number, batch: number, m: number, n: number): number[] {
  const shape = aRank === 3 || bRank === 3 ? [batch] : [];
  if (aRank > 1) shape.push(m);
  if (bRank > 1) shape.push(n);
  return shape;
}

function mismatch(what: string, a: Tensor, b: Operand, flipA: boolean, flipB: boolean): ShapeError {
  const side = (name: string, tensor: Operand, flip: boolean) =>
    `${name} [${tensor.shape}]${flip ? " transposed" : ""}`;
  return new ShapeError(`${what}: ${side("a", a, flipA)} and ${side("b", b, flipB)}`);
}

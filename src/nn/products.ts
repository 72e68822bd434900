import { ACTIVATION } from "../backend/backend.js";
import { coreFamily } from "../backend/families/core.js";
import type { PlanBuilder } from "./plan-builder.js";
import type { Argument } from "./value.js";

/** One product, or several whose operands are at constant distances. */
export interface Product {
  m: number;
  n: number;
  k: number;
  a: Argument;
  /** A is [k, m]. Default false. */
  transposeA?: boolean;
  b: Argument;
  /** B is [n, k]. Default false. */
  transposeB?: boolean;
  c: Argument;
  bias?: Argument | undefined;
  /** Factor of the product. Default 1. */
  alpha?: number;
  /** Factor of what C has. Default 0: C is not read. */
  beta?: number;
  /** Number of products; default 1. The strides from one to the next default to 0 for A and B, m·n for C. */
  batch?: number;
  strideA?: number;
  strideB?: number;
  strideC?: number;
  /** Elements from row to row. Default: rows are next to each other. */
  lda?: number;
  ldb?: number;
  ldc?: number;
}

/** Emits C = alpha·op(A)·op(B) + beta·C + bias. */
export function multiply(builder: PlanBuilder, product: Product): void {
  const { m, n, k, a, b, c, bias = 0, alpha = 1, beta = 0, batch = 1, strideA = 0, strideB = 0 } = product;
  const transposeA = +(product.transposeA ?? false);
  const transposeB = +(product.transposeB ?? false);
  const { lda = transposeA ? m : k, ldb = transposeB ? k : n, ldc = n, strideC = m * n } = product;
  const bytes = builder.kernels(coreFamily).gemm_scratch_bytes(m, n, k, transposeA, transposeB, beta);
  // biome-ignore format: operand by operand, as in the kernel
  builder.call(coreFamily, "gemm_f32", [
    batch, m, n, k, alpha, a, strideA, lda, transposeA, b, strideB, ldb, transposeB,
    beta, c, strideC, ldc, bias, ACTIVATION.identity, builder.scratch(bytes),
  ]);
}

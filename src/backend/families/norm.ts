import type { KernelFamily } from "../family.js";
import { batchNormKernels } from "../js/norm/batch-norm.js";
import { groupNormKernels } from "../js/norm/group-norm.js";
import { binary } from "../wasm/binaries/norm.js";

/**
 * Normalization over the batch (x is [rows, columns], rows `stride` elements apart) and within each example (x is
 * [batch, spatial, groups, width]; layer normalization has one group and one place). An address of 0 means "absent" for
 * gamma, beta, the moving statistics and gradients that nobody needs.
 */
export interface NormKernels {
  /** y = (x − mean)·(rstd·gamma) + beta by column; stores mean and rstd, moves the moving statistics. y may be x. */
  batch_norm_f32(
    rows: number,
    columns: number,
    stride: number,
    eps: number,
    kept: number,
    taken: number,
    unbiased: number,
    xPtr: number,
    gammaPtr: number,
    betaPtr: number,
    yPtr: number,
    meanPtr: number,
    rstdPtr: number,
    movingMeanPtr: number,
    movingVariancePtr: number,
  ): void;
  /** y = (x − mean)·(gamma/√(variance + eps)) + beta by column; stores rstd unless it is 0. y may be x. */
  batch_norm_inference_f32(
    rows: number,
    columns: number,
    stride: number,
    eps: number,
    xPtr: number,
    gammaPtr: number,
    betaPtr: number,
    meanPtr: number,
    variancePtr: number,
    yPtr: number,
    rstdPtr: number,
  ): void;
  /** dx, dgamma and dbeta from x, mean and rstd; `fixed`: those of inference, which x does not change. dx may be dy. */
  batch_norm_backward_f32(
    rows: number,
    columns: number,
    stride: number,
    fixed: number,
    xPtr: number,
    dyPtr: number,
    gammaPtr: number,
    meanPtr: number,
    rstdPtr: number,
    dxPtr: number,
    dgammaPtr: number,
    dbetaPtr: number,
  ): void;
  /** y = ((x − mean)·rstd)·gamma + beta by example and group; stores mean and rstd [batch, groups]. y may be x. */
  group_norm_f32(
    batch: number,
    spatial: number,
    groups: number,
    width: number,
    centered: number,
    eps: number,
    xPtr: number,
    gammaPtr: number,
    betaPtr: number,
    yPtr: number,
    meanPtr: number,
    rstdPtr: number,
  ): void;
  /** dx of `group_norm_f32` from its x, mean and rstd. dx may be dy. */
  group_norm_backward_f32(
    batch: number,
    spatial: number,
    groups: number,
    width: number,
    centered: number,
    xPtr: number,
    dyPtr: number,
    gammaPtr: number,
    meanPtr: number,
    rstdPtr: number,
    dxPtr: number,
  ): void;
  /** dgamma and dbeta of `group_norm_f32`, for `count` channels from channel `first` on. */
  group_norm_parameters_f32(
    first: number,
    count: number,
    batch: number,
    spatial: number,
    groups: number,
    width: number,
    xPtr: number,
    dyPtr: number,
    meanPtr: number,
    rstdPtr: number,
    dgammaPtr: number,
    dbetaPtr: number,
  ): void;
}

/** Bytes of an example of x [batch, spatial, groups, width]. */
const exampleBytes = (args: ArrayLike<number>) => 4 * args[1]! * args[2]! * args[3]!;
/** A result of rows that are argument 2 elements apart, cut along its columns. */
const columns = (argument: number) =>
  ({
    argument,
    use: "write",
    rows: (args: ArrayLike<number>) => args[0]!,
    stride: (args: ArrayLike<number>) => 4 * args[2]!,
    bytes: (args: ArrayLike<number>) => 4 * args[1]!,
  }) as const;

/** A result with a number for each column. */
const perColumn = (argument: number, use: "write" | "update" = "write") =>
  ({ argument, use, bytes: (args: ArrayLike<number>) => 4 * args[1]! }) as const;

/** Bytes of an example's means. */
const groupBytes = (args: ArrayLike<number>) => 4 * args[2]!;

export const normFamily: KernelFamily<NormKernels> = {
  name: "norm",
  binary,
  js: (views) => ({ ...batchNormKernels(views), ...groupNormKernels(views) }),
  warmUp(kernels) {
    const [x, y, z, p, q, rows, columns] = [1024, 65536, 131072, 196608, 229376, 128, 76];
    kernels.batch_norm_f32(rows, columns, columns, 1, 1, 0, 0, x, p, p, z, q, q + 8192, 0, 0);
    kernels.batch_norm_backward_f32(rows, columns, columns, 0, x, y, p, q, q + 8192, z, p, p + 8192);
    kernels.batch_norm_inference_f32(rows, columns, columns, 1, x, p, p, p, p, z, q);
    kernels.group_norm_f32(rows, 1, 1, columns, 1, 1, x, p, p, z, q, q + 8192);
    kernels.group_norm_backward_f32(rows, 1, 1, columns, 1, x, y, p, q, q + 8192, z);
    kernels.group_norm_parameters_f32(0, columns, rows, 1, 1, columns, x, y, q, q + 8192, p, p + 8192);
  },
  shared: {
    batch_norm_f32: {
      count: 1,
      steps: { 7: 4, 8: 4, 9: 4, 10: 4, 11: 4, 12: 4, 13: 4, 14: 4 },
      grain: 8,
      operands: [columns(10), perColumn(11), perColumn(12), perColumn(13, "update"), perColumn(14, "update")],
      work: (args) => 8 * args[0]! * args[1]!,
    },
    batch_norm_inference_f32: {
      count: 1,
      steps: { 4: 4, 5: 4, 6: 4, 7: 4, 8: 4, 9: 4, 10: 4 },
      grain: 8,
      operands: [columns(9), perColumn(10)],
      work: (args) => 2 * args[0]! * args[1]!,
    },
    batch_norm_backward_f32: {
      count: 1,
      steps: { 4: 4, 5: 4, 6: 4, 7: 4, 8: 4, 9: 4, 10: 4, 11: 4 },
      grain: 8,
      operands: [columns(9), perColumn(10), perColumn(11)],
      work: (args) => 12 * args[0]! * args[1]!,
    },
    group_norm_f32: {
      count: 0,
      steps: { 6: exampleBytes, 9: exampleBytes, 10: groupBytes, 11: groupBytes },
      operands: [
        { argument: 9, use: "write", bytes: (args) => args[0]! * exampleBytes(args) },
        { argument: 10, use: "write", bytes: (args) => args[0]! * groupBytes(args) },
        { argument: 11, use: "write", bytes: (args) => args[0]! * groupBytes(args) },
      ],
      work: (args) => 8 * args[0]! * args[1]! * args[2]! * args[3]!,
    },
    group_norm_backward_f32: {
      count: 0,
      steps: { 5: exampleBytes, 6: exampleBytes, 8: groupBytes, 9: groupBytes, 10: exampleBytes },
      operands: [{ argument: 10, use: "write", bytes: (args) => args[0]! * exampleBytes(args) }],
      work: (args) => 12 * args[0]! * args[1]! * args[2]! * args[3]!,
    },
    group_norm_parameters_f32: {
      count: 1,
      steps: { 0: 1 },
      grain: 8,
      operands: [10, 11].map((argument) => ({
        argument,
        use: "write" as const,
        offset: (args) => 4 * args[0]!,
        bytes: (args) => 4 * args[1]!,
      })),
      work: (args) => 6 * args[1]! * args[2]! * args[3]!,
    },
  },
};

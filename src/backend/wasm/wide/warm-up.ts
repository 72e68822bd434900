import { ACTIVATION } from "../../backend.js";
import type { CoreKernels } from "../../families/core.js";
import {
  GROUP,
  MODE_BIAS_CORRECTION,
  MODE_CENTERED,
  MODE_EPS_OUTSIDE,
  MODE_MEAN_LERP,
  MODE_MOMENTUM,
  MODE_NESTEROV,
  MODE_RATE_LAST,
  MODE_RECIPROCAL,
  MODE_RESCALE,
  MODE_SQUARE_LERP,
  MODE_SQUARE_PRODUCT,
  SEGMENT_ACCUMULATOR,
  SEGMENT_BYTES,
  SEGMENT_CORRECTION_0,
  SEGMENT_STATE,
} from "../../segments.js";

// The memory of a side, in bytes: three tables of one row and their group, regions for operands and state, scratch.
const REGION = 32768;
export const PAGES = 8;
const RMSPROP = 64;
const SGD = RMSPROP + SEGMENT_BYTES;
const ADAM = SGD + SEGMENT_BYTES;
const MEAN = ADAM + SEGMENT_BYTES;
const GROUP_AT = MEAN + SEGMENT_BYTES;
const A = 1024;
const B = A + REGION;
const C = B + REGION;
const P = C + REGION;
const S0 = P + REGION;
const S1 = S0 + REGION;
const S2 = S1 + REGION;
const S3 = S2 + REGION;
const AVERAGE = S3 + REGION;
const ACCUMULATOR = AVERAGE + REGION;
export const SCRATCH = ACCUMULATOR + REGION;
const COUNT = 4093;
/** Side of the square products. */
export const SIZE = 64;

/** Numbers of mixed sign, none of them short, and tables whose steps stay finite however often they are made. */
export function fill({ buffer }: WebAssembly.Memory): void {
  const values = new Float32Array(buffer, A, (SCRATCH - A) / 4);
  for (let i = 0; i < values.length; i++) values[i] = Math.fround((((i * 7919) % 10007) - 5003) / 1009);
  const squares = new Float32Array(buffer, S0, COUNT);
  for (let i = 0; i < COUNT; i++) squares[i]! *= squares[i]!;
  const words = new Uint32Array(buffer);
  const floats = new Float32Array(buffer);
  words.set([P, A, COUNT, GROUP_AT, S0, S1, S2, AVERAGE], RMSPROP / 4);
  words.set([P, A, COUNT, GROUP_AT, S3], SGD / 4);
  words.set([P, A, COUNT, GROUP_AT, S0, S1], ADAM / 4);
  words.set([P, ACCUMULATOR, COUNT], MEAN / 4);
  for (const row of [RMSPROP, SGD, ADAM, MEAN]) {
    floats.set([1, 1, 1, 0.5, 0.5], row / 4 + SEGMENT_CORRECTION_0);
    words[row / 4 + SEGMENT_ACCUMULATOR] = ACCUMULATOR;
  }
  const scalars = {
    learningRate: 0.01,
    clipValue: 3,
    decay: 0.9,
    decayComplement: 0.1,
    epsInside: 30,
    epsOutside: 0.5,
    momentum: 0.9,
    meanDecay: 0.9,
    meanDecayComplement: 0.1,
    rateAfter: 0.5,
    rateLast: 0.5,
  };
  for (const [name, value] of Object.entries(scalars)) {
    floats[GROUP_AT / 4 + GROUP[name as keyof typeof GROUP]] = value;
  }
}

const MODES = [
  0,
  MODE_MOMENTUM | MODE_NESTEROV | MODE_EPS_OUTSIDE,
  MODE_CENTERED | MODE_BIAS_CORRECTION,
  MODE_CENTERED | MODE_MOMENTUM | MODE_RESCALE,
  MODE_SQUARE_PRODUCT | MODE_EPS_OUTSIDE,
  MODE_SQUARE_LERP | MODE_MOMENTUM | MODE_RATE_LAST,
  MODE_SQUARE_PRODUCT | MODE_CENTERED | MODE_MEAN_LERP | MODE_EPS_OUTSIDE,
  MODE_RECIPROCAL | MODE_CENTERED | MODE_MOMENTUM | MODE_BIAS_CORRECTION,
];

/** Everything in a core binary: each path of products with whole tiles and ends of rows and columns, and each step. */
export function warmUpCore(exports: WebAssembly.Exports, { buffer }: WebAssembly.Memory): void {
  const kernels = exports as unknown as CoreKernels;
  const { identity, relu, tanh, sigmoid } = ACTIVATION;
  product(kernels, SIZE, 2 * SIZE, SIZE); // packed
  product(kernels, SIZE, SIZE, SIZE);
  product(kernels, 37, 45, 51, 1, 0, 0, relu);
  product(kernels, 37, 45, 51, 0, 1, 0.5, identity);
  product(kernels, 24, 256, 16);
  product(kernels, 27, 259, 15, 1, 1, 0, tanh);
  product(kernels, SIZE, 12, SIZE);
  product(kernels, SIZE, 4, SIZE);
  product(kernels, 1, 253, 31, 0, 0, 0, sigmoid);
  product(kernels, 253, 1, 31, 0, 0, 0, relu);
  const words = new Uint32Array(buffer);
  for (const mode of MODES) {
    words[GROUP_AT / 4 + GROUP.mode] = mode;
    kernels.rmsprop_f32(RMSPROP, 1, 1);
    kernels.sgd_f32(SGD, 1, 0);
    kernels.adam_f32(ADAM, 1, 0);
    words[ADAM / 4 + SEGMENT_STATE + 2] = mode & MODE_CENTERED ? S2 : 0;
    kernels.accumulate_f32(RMSPROP, 1, 0);
    kernels.accumulate_f32(RMSPROP, 1, 2);
    kernels.accumulate_f32(MEAN, 1, 2);
  }
}

export function product(
  kernels: CoreKernels,
  m: number,
  n: number,
  k: number,
  transposeA = 0,
  transposeB = 0,
  beta = 0,
  activation: number = ACTIVATION.identity,
): void {
  const [lda, ldb] = [transposeA ? m : k, transposeB ? k : n];
  // biome-ignore format: operand by operand
  kernels.gemm_f32(
    1, m, n, k, 1, A, 0, lda, transposeA, B, 0, ldb, transposeB, beta, C, 0, n, P, activation, SCRATCH,
  );
}

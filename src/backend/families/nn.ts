import { ACTIVATION } from "../backend.js";
import type { KernelFamily } from "../family.js";
import { activationKernels } from "../js/nn/activation.js";
import { crossEntropyKernels } from "../js/nn/loss.js";
import { softmaxKernels } from "../js/nn/softmax.js";
import { sumKernels } from "../js/nn/sum.js";
import { targetKernels } from "../js/nn/targets.js";
import { binary } from "../wasm/binaries/nn.js";

/** Activations, sums and the cross-entropy of dense networks. */
export interface NetworkKernels {
  /** y = a + b, element by element. `yPtr` may equal `aPtr` or `bPtr`. */
  add_f32(count: number, aPtr: number, bPtr: number, yPtr: number): void;
  /** y = factor · x. `yPtr` may equal `xPtr`. */
  scale_f32(count: number, factor: number, xPtr: number, yPtr: number): void;
  /** y = activation(x), element by element, for relu, tanh and sigmoid. `yPtr` may equal `xPtr`. */
  activation_f32(activation: number, count: number, xPtr: number, yPtr: number): void;
  /**
   * dx = dy · activation′, from the activation's output y, and sums[j] = Σᵢ dx[i, j], rows in ascending order, unless
   * `sumsPtr` is 0. `dxPtr` may equal `dyPtr`; for identity it must.
   */
  activation_backward_f32(
    activation: number,
    rows: number,
    columns: number,
    yPtr: number,
    dyPtr: number,
    dxPtr: number,
    sumsPtr: number,
  ): void;
  /** y = e^(x − max) / Σ e^(x − max) for each row. `yPtr` may equal `xPtr`. */
  softmax_f32(rows: number, columns: number, xPtr: number, yPtr: number): void;
  /** dx = y·(dy − Σ dy·y) for each row, from y = softmax(x). `dxPtr` may equal `dyPtr` or `yPtr`. */
  softmax_backward_f32(rows: number, columns: number, yPtr: number, dyPtr: number, dxPtr: number): void;
  /** Mean loss over the rows, `repeat` of which share a weight; writes the gradient of the mean unless `gradPtr` is 0. */
  softmax_cross_entropy_f32(
    rows: number,
    columns: number,
    logitsPtr: number,
    targetsPtr: number,
    targetsAreIndices: number,
    weightsPtr: number,
    repeat: number,
    gradPtr: number,
  ): number;
  /** out = t·kept + share, for rows of targets or, from indices, rows that are 1 there and 0 elsewhere. */
  smooth_labels_f32(
    rows: number,
    columns: number,
    targetsPtr: number,
    targetsAreIndices: number,
    kept: number,
    share: number,
    outPtr: number,
  ): void;
  /** out[i] = classWeights[class of row i] · weights[⌊i / repeat⌋]. */
  class_weights_f32(
    rows: number,
    columns: number,
    targetsPtr: number,
    targetsAreIndices: number,
    classes: number,
    classWeightsPtr: number,
    weightsPtr: number,
    repeat: number,
    outPtr: number,
  ): void;
  /** Rows whose arg max (or, for one column, whose sign) agrees with the target. */
  count_correct_f32(
    rows: number,
    columns: number,
    yPtr: number,
    targetsPtr: number,
    targetsAreIndices: number,
    threshold: number,
  ): number;
}

export const nnFamily: KernelFamily<NetworkKernels> = {
  name: "nn",
  binary,
  js: (views) => ({
    ...activationKernels(views),
    ...crossEntropyKernels(views),
    ...targetKernels(views),
    ...softmaxKernels(views),
    ...sumKernels(views),
  }),
  warmUp(kernels) {
    const [x, y, z, rows, columns] = [64, 65536, 131072, 128, 64];
    const count = rows * columns;
    for (const activation of Object.values(ACTIVATION)) {
      if (activation !== ACTIVATION.identity) kernels.activation_f32(activation, count, x, z);
      kernels.activation_backward_f32(activation, rows, columns, x, z, z, y);
    }
    kernels.add_f32(count, x, y, z);
    kernels.scale_f32(count, 2, x, z);
    kernels.softmax_f32(rows, columns, x, z);
    kernels.softmax_backward_f32(rows, columns, x, y, z);
    kernels.softmax_cross_entropy_f32(rows, columns, x, y, 0, 0, 1, z);
    kernels.count_correct_f32(rows, columns, x, y, 0, 0);
  },
  shared: {
    add_f32: {
      count: 0,
      steps: { 1: 4, 2: 4, 3: 4 },
      grain: 16,
      operands: [{ argument: 3, use: "write", bytes: (args) => 4 * args[0]! }],
      work: (args) => args[0]!,
    },
    scale_f32: {
      count: 0,
      steps: { 2: 4, 3: 4 },
      grain: 16,
      operands: [{ argument: 3, use: "write", bytes: (args) => 4 * args[0]! }],
      work: (args) => args[0]!,
    },
    activation_f32: {
      count: 1,
      steps: { 2: 4, 3: 4 },
      grain: 16,
      operands: [{ argument: 3, use: "write", bytes: (args) => 4 * args[1]! }],
      work: (args) => 8 * args[1]!,
    },
  },
};

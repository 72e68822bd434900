import type { KernelFamily } from "../family.js";
import { logSoftmaxKernels } from "../js/activation/log-softmax.js";
import { unaryKernels } from "../js/activation/unary.js";
import { UNARY } from "../unary.js";
import { binary } from "../wasm/binaries/activation.js";

/** The activations beyond relu, tanh, sigmoid and softmax. */
export interface ActivationKernels {
  /**
   * y = f(x). `alpha` is the slope of leakyRelu, the half width of hardSigmoid, the factor of elu; the others ignore it. y
   * may be x.
   */
  unary_f32(activation: number, count: number, alpha: number, xPtr: number, yPtr: number): void;
  /** dx = dy·f′(x). dx may be dy or x. */
  unary_backward_f32(
    activation: number,
    count: number,
    alpha: number,
    xPtr: number,
    dyPtr: number,
    dxPtr: number,
  ): void;
  /** y[i, j] = x[i, j] where it is above 0, else alpha[j]·x[i, j]. y may be x. */
  prelu_f32(rows: number, columns: number, xPtr: number, alphaPtr: number, yPtr: number): void;
  /** dx and dalpha of `prelu_f32`, rows `stride` elements apart. dx may be dy. */
  prelu_backward_f32(
    rows: number,
    columns: number,
    stride: number,
    xPtr: number,
    alphaPtr: number,
    dyPtr: number,
    dxPtr: number,
    dalphaPtr: number,
  ): void;
  /** y = (x − max) − log Σ e^(x − max) for each row. y may be x. */
  log_softmax_f32(rows: number, columns: number, xPtr: number, yPtr: number): void;
  /** dx = dy − e^y·Σ dy for each row, from y = log softmax(x). dx may be dy or y. */
  log_softmax_backward_f32(rows: number, columns: number, yPtr: number, dyPtr: number, dxPtr: number): void;
}

const rowBytes = (args: ArrayLike<number>) => 4 * args[1]!;
const rowsBytes = (args: ArrayLike<number>) => args[0]! * rowBytes(args);

export const activationFamily: KernelFamily<ActivationKernels> = {
  name: "activation",
  binary,
  js: (views) => ({ ...unaryKernels(views), ...logSoftmaxKernels(views) }),
  warmUp(kernels) {
    const [x, y, z, rows, columns] = [1024, 65536, 131072, 128, 64];
    for (const activation of Object.values(UNARY)) {
      kernels.unary_f32(activation, rows * columns, 1, x, z);
      kernels.unary_backward_f32(activation, rows * columns, 1, x, y, z);
    }
    kernels.prelu_f32(rows, columns, x, y, z);
    kernels.prelu_backward_f32(rows, columns, columns, x, y, y, z, 196608);
    kernels.log_softmax_f32(rows, columns, x, z);
    kernels.log_softmax_backward_f32(rows, columns, x, y, z);
  },
  shared: {
    unary_f32: {
      count: 1,
      steps: { 3: 4, 4: 4 },
      grain: 16,
      operands: [{ argument: 4, use: "write", bytes: (args) => 4 * args[1]! }],
      work: (args) => 20 * args[1]!,
    },
    unary_backward_f32: {
      count: 1,
      steps: { 3: 4, 4: 4, 5: 4 },
      grain: 16,
      operands: [{ argument: 5, use: "write", bytes: (args) => 4 * args[1]! }],
      work: (args) => 25 * args[1]!,
    },
    prelu_f32: {
      count: 0,
      steps: { 2: (args) => 4 * args[1]!, 4: (args) => 4 * args[1]! },
      operands: [{ argument: 4, use: "write", bytes: (args) => 4 * args[0]! * args[1]! }],
      work: (args) => args[0]! * args[1]!,
    },
    prelu_backward_f32: {
      count: 1,
      steps: { 3: 4, 4: 4, 5: 4, 6: 4, 7: 4 },
      grain: 16,
      operands: [
        {
          argument: 6,
          use: "write",
          rows: (args) => args[0]!,
          stride: (args) => 4 * args[2]!,
          bytes: (args) => 4 * args[1]!,
        },
        { argument: 7, use: "write", bytes: (args) => 4 * args[1]! },
      ],
      work: (args) => 4 * args[0]! * args[1]!,
    },
    log_softmax_f32: {
      count: 0,
      steps: { 2: rowBytes, 3: rowBytes },
      operands: [{ argument: 3, use: "write", bytes: rowsBytes }],
      work: (args) => 10 * args[0]! * args[1]!,
    },
    log_softmax_backward_f32: {
      count: 0,
      steps: { 2: rowBytes, 3: rowBytes, 4: rowBytes },
      operands: [{ argument: 4, use: "write", bytes: rowsBytes }],
      work: (args) => 3 * args[0]! * args[1]!,
    },
  },
};

import { clipByValueGrad, reluGrad, sigmoidGrad, softmaxGrad, tanh, tanhGrad } from "./activation-gradients.js";
import { batchMatMul } from "./batch-mat-mul.js";
import { concat, splitV, unpack } from "./concat.js";
import { conv2D, conv2DBackpropFilter, conv2DBackpropInput, fusedConv2D } from "./conv2d.js";
import { conv3DBackpropFilterV2, conv3DBackpropInputV2 } from "./conv3d.js";
import {
  depthwiseConv2dNative,
  depthwiseConv2dNativeBackpropFilter,
  depthwiseConv2dNativeBackpropInput,
  fusedDepthwiseConv2D,
} from "./depthwise-conv2d.js";
import { einsum } from "./einsum.js";
import { fusedBatchNorm } from "./fused-batch-norm.js";
import { fusedMatMul } from "./fused-mat-mul.js";
import { gatherV2 } from "./gather.js";
import { cast, identity } from "./identity.js";
import type { TfKernel } from "./kernel.js";
import { avgPool, avgPoolGrad, maxPool, maxPoolGrad } from "./pool.js";
import { prelu } from "./prelu.js";
import { mean, sum } from "./reduce.js";
import { tile } from "./tile.js";
import { transpose } from "./transpose.js";
import { unsortedSegmentSum } from "./unsorted-segment-sum.js";

export { KernelContext } from "./kernel.js";

/** Every kernel of TensorFlow.js that Lanewise takes over. */
export const KERNELS: readonly TfKernel[] = [
  avgPool,
  avgPoolGrad,
  batchMatMul,
  cast,
  clipByValueGrad,
  concat,
  conv2D,
  conv2DBackpropFilter,
  conv2DBackpropInput,
  conv3DBackpropFilterV2,
  conv3DBackpropInputV2,
  depthwiseConv2dNative,
  depthwiseConv2dNativeBackpropFilter,
  depthwiseConv2dNativeBackpropInput,
  einsum,
  fusedBatchNorm,
  fusedConv2D,
  fusedDepthwiseConv2D,
  fusedMatMul,
  gatherV2,
  identity,
  maxPool,
  maxPoolGrad,
  mean,
  prelu,
  reluGrad,
  sigmoidGrad,
  softmaxGrad,
  splitV,
  sum,
  tanh,
  tanhGrad,
  tile,
  transpose,
  unpack,
  unsortedSegmentSum,
];

/** Kernels of the wasm backend, or lacking there, that Lanewise leaves as they are, and why. */
export const LEFT: { readonly [kernel: string]: string } = {
  Softmax: "TensorFlow.js's own is as fast",
  LogSoftmax: "no operation of TensorFlow.js calls it",
  ...reason("complex numbers", ["Complex", "ComplexAbs", "FFT", "IFFT", "Imag", "Real"]),
  ...reason("ragged tensors", ["RaggedGather", "RaggedRange", "RaggedTensorToTensor"]),
  ...reason("strings", ["StaticRegexReplace"]),
};

function reason(elements: string, kernels: readonly string[]): { [kernel: string]: string } {
  return Object.fromEntries(kernels.map((kernel) => [kernel, `Lanewise has no ${elements}`]));
}

import type { TensorInfo } from "@tensorflow/tfjs-core";
import { ACTIVATION, type Activation } from "../../backend/backend.js";
import { isFloat32, type KernelContext, type TfKernel } from "./kernel.js";
import { product } from "./product.js";

interface Attributes {
  transposeA: boolean;
  transposeB: boolean;
  activation: string;
  leakyreluAlpha?: number;
}

/** Activations that a product computes itself, by TensorFlow.js's names. */
const OWN: { readonly [name: string]: Activation } = { linear: "identity", relu: "relu", sigmoid: "sigmoid" };

/** Those that are TensorFlow.js's own kernels, over the product. */
const THEIRS: { readonly [name: string]: string } = {
  elu: "Elu",
  relu6: "Relu6",
  leakyrelu: "LeakyRelu",
  prelu: "Prelu",
};

/**
 * Product, bias and activation in one. TensorFlow.js's adds the bias several times where a matrix is transposed or
 * batched and more than 48 deep.
 */
export const fusedMatMul: TfKernel = {
  name: "_FusedMatMul",
  run({ a, b, bias, preluActivationWeights }, attrs, context) {
    if (!isFloat32(a) || !isFloat32(b)) return undefined;
    const { transposeA, transposeB, activation, leakyreluAlpha } = attrs as Attributes;
    const own = OWN[activation];
    const theirs = THEIRS[activation];
    if (own === undefined && theirs === undefined) return undefined;
    const n = b.shape[b.shape.length - (transposeB ? 2 : 1)]!;
    const isVector = bias?.shape.length === 1 && bias.shape[0] === n && bias.dtype === "float32";
    const inProduct = bias == null || isVector ? ACTIVATION[own ?? "identity"] : ACTIVATION.identity;
    const biasPtr = isVector ? context.heap.address(bias) : 0;
    let y = product(a, b, transposeA, transposeB, biasPtr, inProduct, context);
    if (y === undefined) return undefined;
    if (bias != null && !isVector) {
      y = replace(y, "Add", { a: y, b: bias }, {}, context);
      if (own === "relu") y = replace(y, "Relu", { x: y }, {}, context);
      if (own === "sigmoid") y = replace(y, "Sigmoid", { x: y }, {}, context);
    }
    if (theirs === undefined) return y;
    const inputs = activation === "prelu" ? { x: y, alpha: preluActivationWeights! } : { x: y };
    return replace(y, theirs, inputs, { alpha: leakyreluAlpha }, context);
  },
};

/** The result of TensorFlow.js's kernel, in place of one of its inputs, which is freed. */
function replace(
  old: TensorInfo,
  kernel: string,
  inputs: { [name: string]: TensorInfo },
  attrs: object,
  { heap }: KernelContext,
): TensorInfo {
  const fresh = heap.call(kernel, inputs, attrs);
  heap.dispose(old);
  return fresh;
}

import { type FusedAttributes, fused } from "./fused.js";
import type { TfKernel } from "./kernel.js";
import { product } from "./product.js";
import { isFloat32 } from "./shapes.js";

/**
 * Product, bias and activation in one. TensorFlow.js's adds the bias several times where a matrix is transposed or
 * batched and more than 48 deep.
 */
export const fusedMatMul: TfKernel = {
  name: "_FusedMatMul",
  run(inputs, attrs, context) {
    const { a, b } = inputs;
    if (!isFloat32(a) || !isFloat32(b)) return undefined;
    const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
    const columns = b.shape[b.shape.length - (transposeB ? 2 : 1)]!;
    return fused(inputs, attrs as FusedAttributes, columns, context, (biasPtr, activation) =>
      product(a, b, transposeA, transposeB, biasPtr, activation, context),
    );
  },
};

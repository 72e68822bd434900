import type { TfKernel } from "./kernel.js";
import { product } from "./product.js";
import { isFloat32 } from "./shapes.js";

/** Products of matrices, batches broadcast. TensorFlow.js's runs scalar loops where one is transposed or batched. */
export const batchMatMul: TfKernel = {
  name: "BatchMatMul",
  run({ a, b }, attrs, context) {
    if (!isFloat32(a) || !isFloat32(b)) return undefined;
    const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
    return product(a, b, transposeA, transposeB, 0, 0, context);
  },
};

import { add, broadcast_util, mul, neg, reshape, rsqrt, sub, sum, type Tensor } from "@tensorflow/tfjs-core";
import type { TfKernel } from "./kernel.js";
import { isFloat32, sizeOf } from "./shapes.js";

/**
 * Normalization with a mean and a variance that are given; batch and layer normalization of TensorFlow.js's layers. The
 * gradient reads x twice, where TensorFlow.js's makes a dozen tensors of its size.
 */
export const fusedBatchNorm: TfKernel = {
  name: "FusedBatchNorm",
  run({ x, mean, variance, scale, offset }, attrs, { heap, norm }) {
    const { varianceEpsilon } = attrs as { varianceEpsilon: number };
    if (!isFloat32(x) || !isFloat32(mean) || !isFloat32(variance) || mean.shape.length !== 1) return undefined;
    const [columns] = mean.shape as [number];
    const size = sizeOf(x.shape);
    const isVector = (tensor: typeof scale) =>
      tensor == null || (isFloat32(tensor) && sizeOf(tensor.shape) === columns);
    const fits = sizeOf(variance.shape) === columns && isVector(scale) && isVector(offset);
    if (size === 0 || x.shape.at(-1) !== columns || !fits) return undefined;
    const y = heap.output(x.shape);
    norm.batch_norm_inference_f32(
      size / columns,
      columns,
      columns,
      varianceEpsilon,
      heap.address(x),
      scale == null ? 0 : heap.address(scale),
      offset == null ? 0 : heap.address(offset),
      heap.address(mean),
      heap.address(variance),
      heap.address(y),
      0,
    );
    return y;
  },
  gradient: {
    of: "FusedBatchNorm",
    gradFunc(gradient, saved, attrs) {
      const { varianceEpsilon } = attrs as unknown as { varianceEpsilon: number };
      const [x, mean, variance, scale] = saved as [Tensor, Tensor, Tensor, Tensor | undefined];
      const dy = gradient as Tensor;
      const axes = broadcast_util.getReductionAxes(mean.shape, x.shape);
      const reduced = (tensor: Tensor): Tensor => (axes.length === 0 ? tensor : reshape(sum(tensor, axes), mean.shape));
      // With r = 1/√(variance + ε): y = (x − mean)·r·scale + offset.
      const r = rsqrt(add(variance, varianceEpsilon));
      const slope = scale == null ? r : mul(r, scale);
      const dOffset = reduced(dy);
      const dScale = mul(reduced(mul(dy, sub(x, mean))), r);
      return {
        x: () => mul(dy, slope),
        mean: () => neg(mul(dOffset, slope)),
        variance: () => mul(mul(mul(dScale, slope), r), -0.5),
        scale: () => dScale,
        offset: () => dOffset,
      };
    },
  },
};

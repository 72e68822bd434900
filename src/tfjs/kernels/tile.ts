import { reshape, sum, type Tensor, type TensorInfo } from "@tensorflow/tfjs-core";
import type { TfKernel } from "./kernel.js";
import { isFloat32, sizeOf } from "./shapes.js";

/**
 * A tensor that is repeated along axes; its gradient is one sum, where TensorFlow.js's is a loop of slices and additions,
 * as many as there are repetitions.
 */
export const tile: TfKernel = {
  name: "Tile",
  run({ x }, attrs, { heap, reduce }) {
    const { reps } = attrs as { reps: readonly number[] };
    if (!isFloat32(x) || sizeOf(x.shape) === 0 || reps.includes(0)) return undefined;
    let y: TensorInfo | undefined;
    let shape = x.shape;
    // From the last axis: then what is copied for the others is in one piece.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const times = reps[axis]!;
      if (times === 1) continue;
      const tiled = shape.slice();
      tiled[axis]! *= times;
      const next = heap.output(tiled);
      const inner = sizeOf(shape, axis);
      reduce.broadcast_f32(sizeOf(shape, 0, axis), times, inner, 1, heap.address(y ?? x), heap.address(next));
      if (y !== undefined) heap.dispose(y);
      [y, shape] = [next, tiled];
    }
    return y ?? heap.share(x, shape);
  },
  gradient: {
    of: "Tile",
    gradFunc(dy, [x], attrs) {
      const { reps } = attrs as unknown as { reps: readonly number[] };
      const { shape } = x!;
      return {
        x: () => {
          const split: number[] = [];
          const axes: number[] = [];
          shape.forEach((size, axis) => {
            if (reps[axis]! > 1) axes.push(split.push(reps[axis]!) - 1);
            split.push(size);
          });
          return axes.length === 0 ? reshape(dy as Tensor, shape) : sum(reshape(dy as Tensor, split), axes);
        },
      };
    },
  },
};

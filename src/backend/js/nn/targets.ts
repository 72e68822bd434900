import type { NetworkKernels } from "../../families/nn.js";
import type { Views } from "../views.js";
import { argMax, indexOf } from "./loss.js";

const f = Math.fround;

/** The JavaScript implementation of assembly/nn/targets.ts. */
export function targetKernels(views: Views): Pick<NetworkKernels, "smooth_labels_f32" | "class_weights_f32"> {
  return {
    smooth_labels_f32(rows, columns, targetsPtr, targetsAreIndices, kept, share, outPtr) {
      const { f32 } = views;
      const targets = targetsPtr >>> 2;
      const out = outPtr >>> 2;
      for (let i = 0; i < rows; i++) {
        const index = targetsAreIndices ? indexOf(f32[targets + i]!, columns) : -1;
        for (let j = 0; j < columns; j++) {
          let smoothed = f(kept) * (index === j ? 1 : 0);
          if (!targetsAreIndices) smoothed = f(f32[targets + i * columns + j]! * f(kept));
          else if (index < 0) smoothed = Number.NaN;
          f32[out + i * columns + j] = smoothed + f(share); // the store rounds
        }
      }
    },
    class_weights_f32(
      rows,
      columns,
      targetsPtr,
      targetsAreIndices,
      classes,
      classWeightsPtr,
      weightsPtr,
      repeat,
      outPtr,
    ) {
      const { f32 } = views;
      const targets = targetsPtr >>> 2;
      const isSingle = targetsAreIndices !== 0 || columns === 1;
      for (let i = 0; i < rows; i++) {
        const index = isSingle ? indexOf(f32[targets + i]!, classes) : argMax(f32, targets + i * columns, columns);
        const weight = index < 0 || index >= classes ? Number.NaN : f32[(classWeightsPtr >>> 2) + index]!;
        const share = weightsPtr === 0 ? 1 : f32[(weightsPtr >>> 2) + Math.floor(i / repeat)]!;
        f32[(outPtr >>> 2) + i] = weight * share;
      }
    },
  };
}

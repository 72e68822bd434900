import type { TreeKernels } from "../../families/tree.js";
import type { Views } from "../views.js";

/** The JavaScript implementation of assembly/tree/tree.ts. */
export function treeKernels(views: Views): TreeKernels {
  return {
    tree_add_f32(count, levels, stride, leafPtr, sumsPtr, yPtr) {
      const { f32, i32 } = views;
      const [leaf, sums, y] = [leafPtr >>> 2, sumsPtr >>> 2, yPtr >>> 2];
      if (levels === 0) {
        i32.copyWithin(y, leaf, leaf + count);
        return;
      }
      for (let i = 0; i < count; i++) {
        let v = f32[leaf + i]!;
        for (let left = levels, s = sums; left !== 0; left >>>= 1, s += stride) {
          if (left & 1) v = Math.fround(f32[s + i]! + v);
        }
        f32[y + i] = v;
      }
    },
  };
}

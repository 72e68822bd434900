import type { KernelFamily } from "../family.js";
import { treeKernels } from "../js/tree/tree.js";
import { binary } from "../wasm/binaries/tree.js";

/** Sums over micro-batches in the order of a binary tree. */
export interface TreeKernels {
  /**
   * y = s[kₙ] + ( … + (s[k₀] + leaf)), where k₀ < k₁ < … are the bits of `levels` and s[k] begins `stride` elements
   * after s[k − 1]. `yPtr` may equal `leafPtr` or the address of a sum.
   */
  tree_add_f32(count: number, levels: number, stride: number, leafPtr: number, sumsPtr: number, yPtr: number): void;
}

export const treeFamily: KernelFamily<TreeKernels> = {
  name: "tree",
  binary,
  js: treeKernels,
  warmUp(kernels) {
    kernels.tree_add_f32(8192, 0b101, 8192, 1024, 65536, 262144);
    kernels.tree_add_f32(8192, 0, 8192, 1024, 65536, 262144);
  },
  shared: {
    tree_add_f32: {
      count: 0,
      steps: { 3: 4, 4: 4, 5: 4 },
      grain: 16,
      operands: [{ argument: 5, use: "write", bytes: (args) => 4 * args[0]! }],
      work: (args) => args[0]!,
    },
  },
};

import { type TreeKernels, treeFamily } from "../backend/families/tree.js";
import type { Core } from "../core.js";
import type { Tensor } from "../tensor.js";

/** Adds the micro-batches of a block in the order of the tree, in linear memory. */
export class TreeAccumulator {
  readonly #kernels: TreeKernels;
  readonly #length: number;
  /** Sums of 1, 2, 4, … leaves, and the result. */
  readonly #sums: Tensor;
  readonly #levels: number;
  #count = 0;

  /** @param largest most leaves of a block */
  constructor(core: Core, length: number, largest: number) {
    this.#kernels = core.kernels(treeFamily);
    this.#length = length;
    this.#levels = Math.ceil(Math.log2(Math.max(1, largest))) + 1;
    this.#sums = core.tensor([this.#levels + 1, length]);
  }

  begin(): void {
    this.#count = 0;
  }

  /** Adds a leaf that is made of several tensors, one after the other. */
  add(parts: readonly Tensor[]): void {
    let level = 0;
    while ((this.#count >> level) & 1) level++;
    this.#count++;
    let at = 0;
    for (const { ptr, size } of parts) {
      const base = this.#sums.ptr + 4 * at;
      const to = base + 4 * this.#length * level;
      this.#kernels.tree_add_f32(size, 2 ** level - 1, this.#length, ptr, base, to);
      at += size;
    }
  }

  /** The sum of all leaves since `begin`, copied. */
  total(): Float32Array {
    const n = this.#count;
    const lowest = 31 - Math.clz32(n & -n);
    const { ptr, data } = this.#sums;
    const [first, end] = [lowest * this.#length, this.#levels * this.#length];
    this.#kernels.tree_add_f32(this.#length, n & (n - 1), this.#length, ptr + 4 * first, ptr, ptr + 4 * end);
    return data.slice(end, end + this.#length);
  }

  dispose(): void {
    this.#sums.dispose();
  }
}

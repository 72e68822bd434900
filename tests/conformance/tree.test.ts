import { expect, it } from "vitest";
import { PartialSums } from "../../src/distributed/tree.js";
import { expectSameBits } from "../helpers/bits.js";
import { conform, describeConformance } from "../helpers/conformance.js";
import { randomValues, SPECIAL_VALUES } from "../helpers/random.js";

const SIZES = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 1021];
const F = Math.fround;

/** The sums one after the other, `stride` apart, with values of many magnitudes. */
function sums(levels: number, stride: number, seed: number): Float32Array {
  return randomValues(levels * stride, seed, 8);
}

function expected(count: number, levels: number, stride: number, leaf: Float32Array, s: Float32Array): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => {
    let v = leaf[i]!;
    for (let k = 0; k < 32; k++) if (levels & (1 << k)) v = F(s[k * stride + i]! + v);
    return v;
  });
}

describeConformance("tree_add_f32", () => {
  it.each(SIZES)("adds the chosen sums in ascending order, %i elements", (count) => {
    for (const levels of [0, 1, 0b10, 0b11, 0b101, 0b1110, 0b11111]) {
      const stride = count + 3;
      const leaf = randomValues(count, 3 * count + levels, 8);
      const s = sums(5, stride, count + levels);
      const y = randomValues(count, 1);
      const { operands } = conform(`levels ${levels}`, { leaf, s, y }, (kernels, ptr) =>
        kernels.tree_add_f32(count, levels, stride, ptr.leaf!, ptr.s!, ptr.y!),
      );
      expectSameBits(operands.y!, expected(count, levels, stride, leaf, s), `levels ${levels}`);
      expectSameBits(operands.leaf!, leaf, "the leaf is only read");
      expectSameBits(operands.s!, s, "the sums are only read");
    }
  });

  it("the result may replace the leaf, or a sum", () => {
    const [count, stride, levels] = [37, 40, 0b111];
    const leaf = randomValues(count, 5, 8);
    const s = sums(4, stride, 6);
    const sum = expected(count, levels, stride, leaf, s);
    const inLeaf = conform("leaf", { leaf, s }, (kernels, ptr) =>
      kernels.tree_add_f32(count, levels, stride, ptr.leaf!, ptr.s!, ptr.leaf!),
    );
    expectSameBits(inLeaf.operands.leaf!, sum, "in the leaf's place");
    for (const k of [0, 2, 3]) {
      const { operands } = conform(`sum ${k}`, { leaf, s }, (kernels, ptr) =>
        kernels.tree_add_f32(count, levels, stride, ptr.leaf!, ptr.s!, ptr.s! + 4 * stride * k),
      );
      const after = s.slice();
      after.set(sum, stride * k);
      expectSameBits(operands.s!, after, `in the place of sum ${k}`);
    }
  });

  it("special values", () => {
    const n = SPECIAL_VALUES.length;
    const leaf = Float32Array.from({ length: n * n }, (_, i) => SPECIAL_VALUES[i % n]!);
    const s = Float32Array.from({ length: 2 * n * n }, (_, i) => SPECIAL_VALUES[Math.floor(i / n) % n]!);
    const { operands } = conform("special", { leaf, s, y: new Float32Array(n * n) }, (kernels, ptr) =>
      kernels.tree_add_f32(n * n, 0b11, n * n, ptr.leaf!, ptr.s!, ptr.y!),
    );
    expectSameBits(operands.y!, expected(n * n, 0b11, n * n, leaf, s), "special values");
  });

  it.each([1, 2, 3, 5, 6, 7, 8, 13, 16])(
    "%i leaves, one after the other, are the tree that blocks from anybody are",
    (n) => {
      const count = 29;
      const leaves = Array.from({ length: n }, (_, i) => randomValues(count, 100 + i, 8));
      const names = Object.fromEntries(leaves.map((leaf, i) => [`leaf${i}`, leaf]));
      const { operands } = conform(`${n}`, { ...names, s: new Float32Array(6 * count) }, (kernels, ptr) => {
        for (let i = 0; i < n; i++) {
          let level = 0;
          while ((i >> level) & 1) level++;
          kernels.tree_add_f32(count, 2 ** level - 1, count, ptr[`leaf${i}`]!, ptr.s!, ptr.s! + 4 * count * level);
        }
        // What is left are the bits of n; the smallest sum begins.
        const lowest = 31 - Math.clz32(n & -n);
        const rest = n & (n - 1);
        const [first, end] = [ptr.s! + 4 * count * lowest, ptr.s! + 4 * count * 5];
        kernels.tree_add_f32(count, rest, count, first, ptr.s!, end);
      });
      const partial = new PartialSums(n);
      for (let i = n - 1; i >= 0; i--) partial.add({ first: i, size: 1 }, leaves[i]!.slice());
      expect(partial.total).toBeDefined();
      expectSameBits(operands.s!.slice(5 * count), partial.total!, "both trees");
    },
  );
});

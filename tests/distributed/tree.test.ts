import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Block, blocksOf, leavesIn, PartialSums, shareBlocks, wholeTree } from "../../src/distributed/tree.js";
import { expectSameBits } from "../helpers/bits.js";
import { randomValues } from "../helpers/random.js";

/** The tree by its definition: a node is its left half plus its right half. */
function treeSum(leaves: readonly Float32Array[], first: number, size: number): Float32Array | undefined {
  if (first >= leaves.length) return undefined;
  if (size === 1) return leaves[first]!;
  const left = treeSum(leaves, first, size / 2)!;
  const right = treeSum(leaves, first + size / 2, size / 2);
  return right === undefined ? left : left.map((value, i) => Math.fround(value + right[i]!));
}

const leavesOf = (count: number, seed: number) =>
  Array.from({ length: count }, (_, i) => randomValues(5, seed + i, 12));

const anyShare = fc.record({
  count: fc.integer({ min: 1, max: 70 }),
  workers: fc.integer({ min: 1, max: 12 }),
  largest: fc.constantFrom(1, 2, 8, 128),
  seed: fc.integer({ min: 0, max: 1000 }),
});

describe("shareBlocks", () => {
  it("covers every micro-batch once, in aligned blocks, and nobody has more than is needed", () => {
    fc.assert(
      fc.property(anyShare, ({ count, workers, largest }) => {
        const shares = shareBlocks(0, count, workers, largest);
        expect(shares).toHaveLength(workers);
        const covered = new Array(count).fill(0);
        for (const { first, size } of shares.flat()) {
          expect(first % size).toBe(0);
          expect(size).toBeLessThanOrEqual(largest);
          expect(Number.isInteger(Math.log2(size))).toBe(true);
          for (let i = first; i < first + size; i++) covered[i]++;
        }
        expect(covered).toEqual(new Array(count).fill(1));
        const loads = shares.map((blocks) => blocks.reduce((sum, block) => sum + leavesIn(block, count), 0));
        expect(Math.max(...loads)).toBeLessThanOrEqual(Math.ceil(count / workers));
      }),
    );
  });

  it.each([
    [16, 1, [[[0, 16]]]],
    [16, 2, [[[0, 8]], [[8, 8]]]],
    [
      16,
      3,
      [
        [[0, 4]],
        [
          [4, 4],
          [8, 2],
        ],
        [
          [10, 2],
          [12, 4],
        ],
      ],
    ],
  ])("%i micro-batches for %i members", (count, workers, expected) => {
    const shares = shareBlocks(0, count, workers, 64);
    expect(shares.map((blocks) => blocks.map(({ first, size }) => [first, size]))).toEqual(expected);
  });
});

describe("PartialSums", () => {
  it("gives the tree's sum for any shares, in any order of arrival", () => {
    fc.assert(
      fc.property(anyShare, ({ count, workers, largest, seed }) => {
        const leaves = leavesOf(count, seed);
        const expected = treeSum(leaves, 0, wholeTree(count).size)!;
        const blocks = shareBlocks(0, count, workers, largest).flat();
        const order = [...blocks].sort((a, b) => ((a.first * 7919 + seed) % 31) - ((b.first * 7919 + seed) % 31));
        const sums = new PartialSums(count);
        for (const block of order) {
          expect(sums.total).toBeUndefined();
          expect(sums.add(block, treeSum(leaves, block.first, block.size)!.slice())).toBe(true);
        }
        expectSameBits(sums.total!, expected, "the total");
        expect(sums.missing()).toEqual([]);
      }),
    );
  });

  it("refuses what is there already, alone or inside a larger block, and takes a larger block for its parts", () => {
    const leaves = leavesOf(6, 1);
    const sum = ({ first, size }: Block) => treeSum(leaves, first, size)!.slice();
    const sums = new PartialSums(6);
    const add = (first: number, size: number) => sums.add({ first, size }, sum({ first, size }));
    expect(sums.missing()).toEqual([[0, 6]]);
    expect(add(1, 1)).toBe(true);
    expect(add(1, 1)).toBe(false);
    expect(sums.missing()).toEqual([
      [0, 1],
      [2, 6],
    ]);
    expect(add(0, 4)).toBe(true);
    expect([add(0, 1), add(2, 2), add(0, 4), add(1, 1)]).toEqual([false, false, false, false]);
    expect(sums.missing()).toEqual([[4, 6]]);
    expect(add(4, 4)).toBe(true);
    expectSameBits(sums.total!, treeSum(leaves, 0, 8)!, "the total");
  });
});

describe("blocksOf", () => {
  it.each([
    [0, 16, 16, [[0, 16]]],
    [
      3,
      11,
      16,
      [
        [3, 1],
        [4, 4],
        [8, 2],
        [10, 1],
      ],
    ],
    [
      0,
      3,
      1,
      [
        [0, 1],
        [1, 1],
        [2, 1],
      ],
    ],
    [5, 5, 8, []],
  ])("from %i to %i, at most %i", (first, end, largest, expected) => {
    expect(blocksOf(first, end, largest).map((block) => [block.first, block.size])).toEqual(expected);
  });
});

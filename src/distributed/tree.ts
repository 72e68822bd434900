/**
 * The order in which a step's micro-batches are summed: a binary tree over their indices, the same whoever computes.
 *
 * A node of the tree is an aligned block: `size` is a power of two, `first` a multiple of it, and the node covers the
 * indices from `first` to `first + size - 1` that exist. A node is its left half plus its right half; where the right
 * half is empty, the node is its left half. So the sum of 6 micro-batches is ((0+1)+(2+3))+(4+5).
 */
export interface Block {
  /** Index of the first micro-batch. */
  readonly first: number;
  /** A power of two that divides `first`. */
  readonly size: number;
}

/** The block that covers all of `count` micro-batches. */
export function wholeTree(count: number): Block {
  let size = 1;
  while (size < count) size *= 2;
  return { first: 0, size };
}

/** How many of a block's micro-batches exist when there are `count` of them. */
export function leavesIn({ first, size }: Block, count: number): number {
  return Math.max(0, Math.min(first + size, count) - first);
}

/** The fewest blocks, none larger than `largest`, that cover the indices from `first` to `end - 1`. */
export function blocksOf(first: number, end: number, largest: number): Block[] {
  const blocks: Block[] = [];
  for (let at = first; at < end; ) {
    let size = 1;
    while (size * 2 <= largest && at % (size * 2) === 0 && at + size * 2 <= end) size *= 2;
    blocks.push({ first: at, size });
    at += size;
  }
  return blocks;
}

/**
 * Shares the indices from `first` to `end - 1` among `workers`: contiguous ranges, the longest as short as it can be,
 * and their ends aligned as far as that allows, so that each range is few blocks. Worker w gets the w-th list.
 */
export function shareBlocks(first: number, end: number, workers: number, largest: number): Block[][] {
  const longest = Math.ceil((end - first) / workers);
  let unit = 1;
  while (unit * 2 <= longest && first % (unit * 2) === 0 && rangeWith(unit * 2) === longest) unit *= 2;
  const units = Math.ceil((end - first) / unit);
  return Array.from({ length: workers }, (_, w) => {
    const from = first + unit * Math.floor((units * w) / workers);
    const to = Math.min(end, first + unit * Math.floor((units * (w + 1)) / workers));
    return blocksOf(from, to, largest);
  });

  function rangeWith(size: number): number {
    return Math.ceil(Math.ceil((end - first) / size) / workers) * size;
  }
}

/** left[i] + right[i], each rounded to float32 once. */
export function add(left: Float32Array, right: Float32Array): Float32Array {
  const sum = new Float32Array(left.length);
  for (let i = 0; i < sum.length; i++) sum[i] = left[i]! + right[i]!;
  return sum;
}

/** Sums of blocks as they arrive, in any order and from anybody; siblings are added as soon as both are there. */
export class PartialSums {
  readonly #count: number;
  readonly #root: Block;
  readonly #nodes = new Map<number, { size: number; sum: Float32Array }>();

  constructor(count: number) {
    this.#count = count;
    this.#root = wholeTree(count);
  }

  /** Takes the sum of a block and keeps it; false if the block, or one that has it inside, is there already. */
  add({ first, size }: Block, sum: Float32Array): boolean {
    if (this.has({ first, size })) return false;
    for (let at = first; at < first + size; at++) this.#nodes.delete(at);
    let node = { first, size, sum };
    while (node.size < this.#root.size) {
      const isLeft = node.first % (2 * node.size) === 0;
      const siblingFirst = isLeft ? node.first + node.size : node.first - node.size;
      let total = node.sum;
      if (siblingFirst < this.#count) {
        const sibling = this.#nodes.get(siblingFirst);
        if (sibling?.size !== node.size) break;
        this.#nodes.delete(siblingFirst);
        total = isLeft ? add(node.sum, sibling.sum) : add(sibling.sum, node.sum);
      }
      node = { first: Math.min(node.first, siblingFirst), size: 2 * node.size, sum: total };
    }
    this.#nodes.set(node.first, { size: node.size, sum: node.sum });
    return true;
  }

  /** Whether the whole block has been received. */
  has({ first, size }: Block): boolean {
    const end = Math.min(first + size, this.#count);
    let at = first;
    while (at < end) {
      const next = this.#coveredUntil(at);
      if (next === at) return false;
      at = next;
    }
    return true;
  }

  /** Ranges [first, end) of indices that are not there yet, in ascending order. */
  missing(): [number, number][] {
    const ranges: [number, number][] = [];
    for (let at = 0; at < this.#count; ) {
      const next = this.#coveredUntil(at);
      if (next > at) at = next;
      else {
        let end = at + 1;
        while (end < this.#count && this.#coveredUntil(end) === end) end++;
        ranges.push([at, end]);
        at = end;
      }
    }
    return ranges;
  }

  /** The sum of all micro-batches, once it is there. */
  get total(): Float32Array | undefined {
    const node = this.#nodes.get(0);
    return node?.size === this.#root.size ? node.sum : undefined;
  }

  /** Where the block that has `index` inside ends; `index` itself if there is none. */
  #coveredUntil(index: number): number {
    for (let size = 1; size <= this.#root.size; size *= 2) {
      const first = index - (index % size);
      const node = this.#nodes.get(first);
      if (node !== undefined && first + node.size > index) return Math.min(first + node.size, this.#count);
    }
    return index;
  }
}

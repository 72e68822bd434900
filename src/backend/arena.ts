import { describe } from "../checks.js";
import { BackendError, OutOfMemoryError } from "../errors.js";
import type { LinearMemory } from "./backend.js";

/** Blocks start on a cache line, which is also the widest vector. */
const ALIGNMENT = 64;

/** Addresses that differ by a multiple of it are in the same set of a first-level cache. */
const SET_STRIDE = 4096;

/** What a block whose size is a multiple of that gets besides: the next one starts in another set. */
const SHIFT = 832;

/** Hands out blocks of linear memory and keeps account of them: the arena, or another library's heap. */
export abstract class Allocator {
  readonly #sizes = new Map<number, number>();

  get bytesInUse(): number {
    let sum = 0;
    for (const size of this.#sizes.values()) sum += size;
    return sum;
  }

  /** The address of a block of at least `bytes`, its content unspecified. Throws OutOfMemoryError. */
  allocate(bytes: number): number {
    const size = this.sizeOf(bytes);
    const address = this.take(size);
    this.#sizes.set(address, size);
    return address;
  }

  /** Takes a block back; an address that is not in use is ignored. */
  free(address: number): void {
    const size = this.#sizes.get(address);
    if (size === undefined) return;
    this.#sizes.delete(address);
    this.give(address, size);
  }

  /** Never takes this block back: somebody may still write to it. */
  forget(address: number): void {
    this.#sizes.delete(address);
  }

  /** Whether this is the address of a block that was handed out. */
  protected isInUse(address: number): boolean {
    return this.#sizes.has(address);
  }

  /** Takes every block back. */
  freeAll(): void {
    for (const address of this.#sizes.keys()) this.free(address);
  }

  /** The size of the block that serves for `bytes`. */
  protected sizeOf(bytes: number): number {
    return bytes;
  }

  protected abstract take(size: number): number;
  protected abstract give(address: number, size: number): void;
}

/**
 * The only allocator: best fit over an address-ordered free list, neighbors merged when freed, growth by at least
 * half of what is there. Address 0 is never handed out: it is the kernels' null pointer.
 */
export class Arena extends Allocator {
  readonly #memory: LinearMemory;
  /** Free blocks, ascending by address, never adjacent to each other. */
  readonly #free: { address: number; bytes: number }[] = [];
  #end = ALIGNMENT;

  constructor(memory: LinearMemory) {
    super();
    this.#memory = memory;
  }

  protected override sizeOf(bytes: number): number {
    const size = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    return size % SET_STRIDE === 0 ? size + SHIFT : size;
  }

  protected override take(size: number): number {
    return this.#reuse(size) ?? this.#extend(size);
  }

  #reuse(size: number): number | undefined {
    let best = -1;
    for (let i = 0; i < this.#free.length; i++) {
      const bytes = this.#free[i]!.bytes;
      if (bytes >= size && (best < 0 || bytes < this.#free[best]!.bytes)) best = i;
    }
    if (best < 0) return undefined;
    const block = this.#free[best]!;
    const address = block.address;
    if (block.bytes === size) this.#free.splice(best, 1);
    else {
      block.address += size;
      block.bytes -= size;
    }
    return address;
  }

  #extend(size: number): number {
    const last = this.#free.at(-1);
    const address = last && last.address + last.bytes === this.#end ? last.address : this.#end;
    const needed = address + size;
    const reserved = this.#memory.buffer.byteLength;
    if (needed > reserved) {
      const generous = Math.max(needed, Math.ceil(reserved * 1.5));
      if (!this.#memory.grow(generous) && !this.#memory.grow(needed)) {
        throw new OutOfMemoryError(`linear memory cannot grow from ${reserved} to ${needed} bytes`);
      }
    }
    if (address !== this.#end) this.#free.pop();
    this.#end = needed;
    return address;
  }

  protected override give(address: number, bytes: number): void {
    let low = 0;
    for (let high = this.#free.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (this.#free[middle]!.address < address) low = middle + 1;
      else high = middle;
    }
    const before = this.#free[low - 1];
    const after = this.#free[low];
    const joinsBefore = before !== undefined && before.address + before.bytes === address;
    const joinsAfter = after !== undefined && address + bytes === after.address;
    if (joinsBefore) {
      before.bytes += bytes + (joinsAfter ? after.bytes : 0);
      if (joinsAfter) this.#free.splice(low, 1);
    } else if (joinsAfter) {
      after.address = address;
      after.bytes += bytes;
    } else this.#free.splice(low, 0, { address, bytes });
  }
}

/** A heap that somebody else allocates in. */
export interface ForeignHeap {
  allocate(bytes: number): number;
  free(address: number): void;
}

/** Another library's heap, whose allocator the caller brings. What that returns is checked, and what it throws is wrapped. */
export class AttachedHeap extends Allocator {
  readonly #heap: ForeignHeap;
  /** Bytes of the memory that the heap is in, now. */
  readonly #size: () => number;

  constructor(heap: ForeignHeap, size: () => number = () => Number.POSITIVE_INFINITY) {
    super();
    this.#heap = heap;
    this.#size = size;
  }

  protected override take(bytes: number): number {
    let address: unknown;
    try {
      address = this.#heap.allocate(bytes);
    } catch (error) {
      throw new OutOfMemoryError(`memory.allocate(${bytes}) threw ${String(error)}`);
    }
    const problem = this.#problemOf(address, bytes);
    if (problem === undefined) return address as number;
    if (typeof address === "number" && address > 0 && !this.isInUse(address)) this.give(address);
    throw new OutOfMemoryError(`memory.allocate(${bytes}) returned ${describe(address)}, ${problem}`);
  }

  protected override give(address: number): void {
    try {
      this.#heap.free(address);
    } catch (error) {
      throw new BackendError(`memory.free(${address}) threw ${String(error)}`, { cause: error });
    }
  }

  #problemOf(address: unknown, bytes: number): string | undefined {
    if (!(Number.isInteger(address) && (address as number) > 0 && (address as number) % 4 === 0)) {
      return "expected an address divisible by 4";
    }
    const end = (address as number) + bytes;
    const size = this.#size();
    if (end > size) return `expected a block inside the memory, which ends at ${size}`;
    return this.isInUse(address as number) ? "which it had returned before and which is still in use" : undefined;
  }
}

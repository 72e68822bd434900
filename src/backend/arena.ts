import { OutOfMemoryError } from "../errors.js";
import type { LinearMemory } from "./backend.js";

/** Blocks start on a cache line, which is also the widest vector. */
const ALIGNMENT = 64;

/** Hands out blocks of linear memory: the arena, or somebody else's heap. */
export interface Allocator {
  readonly bytesInUse: number;
  /** The address of a block of at least `bytes`, its content unspecified. Throws OutOfMemoryError. */
  allocate(bytes: number): number;
  /** Takes a block back; an address that is not in use is ignored. */
  free(address: number): void;
  /** Takes every block back. */
  freeAll(): void;
}

/**
 * The only allocator: best fit over an address-ordered free list, neighbours merged when freed, growth by at least
 * half of what is there. Address 0 is never handed out: it is the kernels' null pointer.
 */
export class Arena implements Allocator {
  readonly #memory: LinearMemory;
  readonly #sizes = new Map<number, number>();
  /** Free blocks, ascending by address, never adjacent to each other. */
  readonly #free: { address: number; bytes: number }[] = [];
  #end = ALIGNMENT;
  #bytesInUse = 0;

  constructor(memory: LinearMemory) {
    this.#memory = memory;
  }

  get bytesInUse(): number {
    return this.#bytesInUse;
  }

  allocate(bytes: number): number {
    const size = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    const address = this.#reuse(size) ?? this.#extend(size);
    this.#sizes.set(address, size);
    this.#bytesInUse += size;
    return address;
  }

  free(address: number): void {
    const size = this.#sizes.get(address);
    if (size === undefined) return;
    this.#sizes.delete(address);
    this.#bytesInUse -= size;
    this.#release(address, size);
  }

  freeAll(): void {
    for (const address of [...this.#sizes.keys()]) this.free(address);
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

  #release(address: number, bytes: number): void {
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

/** Another library's heap, whose allocator the caller brings. */
export class AttachedHeap implements Allocator {
  readonly #heap: ForeignHeap;
  readonly #sizes = new Map<number, number>();
  #bytesInUse = 0;

  constructor(heap: ForeignHeap) {
    this.#heap = heap;
  }

  get bytesInUse(): number {
    return this.#bytesInUse;
  }

  allocate(bytes: number): number {
    const address = this.#heap.allocate(bytes);
    if (!(address > 0) || address % 4 !== 0) {
      if (address > 0) this.#heap.free(address);
      throw new OutOfMemoryError(`memory.allocate(${bytes}) returned ${address}, expected an address divisible by 4`);
    }
    this.#sizes.set(address, bytes);
    this.#bytesInUse += bytes;
    return address;
  }

  free(address: number): void {
    const size = this.#sizes.get(address);
    if (size === undefined) return;
    this.#sizes.delete(address);
    this.#bytesInUse -= size;
    this.#heap.free(address);
  }

  freeAll(): void {
    for (const address of [...this.#sizes.keys()]) this.free(address);
  }
}

import type { Core } from "../core.js";

/** The blocks of linear memory that an optimizer has. */
export class OwnedMemory {
  readonly #core: Core;
  readonly #blocks = new Set<number>();
  /** Blocks that a transaction has reserved so far. */
  #reserved: number[] | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  /** The address of a block, its content unspecified. Throws OutOfMemoryError. */
  allocate(bytes: number): number {
    const ptr = this.#core.allocate(bytes);
    this.#blocks.add(ptr);
    this.#reserved?.push(ptr);
    return ptr;
  }

  release(ptr: number): void {
    if (this.#blocks.delete(ptr)) this.#core.release(ptr);
  }

  /** Reserves memory; on an error gives back what it got. */
  transaction<T>(reserve: () => T): T {
    const reserved: number[] = [];
    this.#reserved = reserved;
    try {
      return reserve();
    } catch (error) {
      for (const ptr of reserved) this.release(ptr);
      throw error;
    } finally {
      this.#reserved = undefined;
    }
  }

  dispose(): void {
    for (const ptr of this.#blocks) this.release(ptr);
  }
}

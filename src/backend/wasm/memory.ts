import type { LinearMemory } from "../backend.js";

const PAGE_BYTES = 65536;

/** Linear memory of the Wasm backend: a WebAssembly.Memory that the host owns and every kernel module imports. */
export class WasmMemory implements LinearMemory {
  readonly handle: WebAssembly.Memory;
  #buffer: ArrayBuffer;

  constructor(handle: WebAssembly.Memory) {
    this.handle = handle;
    this.#buffer = handle.buffer;
  }

  static create(initialBytes: number, maximumBytes: number, shared = false): WasmMemory {
    const maximum = Math.floor(maximumBytes / PAGE_BYTES);
    const initial = Math.min(Math.ceil(initialBytes / PAGE_BYTES), maximum);
    return new WasmMemory(new WebAssembly.Memory({ initial, maximum, shared }));
  }

  /** Kept, because the engine's own getter costs more than a small step; growth empties the old one. */
  get buffer(): ArrayBufferLike {
    if (this.#buffer.byteLength === 0) this.#buffer = this.handle.buffer;
    return this.#buffer;
  }

  grow(bytes: number): boolean {
    const pages = Math.ceil((bytes - this.buffer.byteLength) / PAGE_BYTES);
    try {
      if (pages > 0) this.handle.grow(pages);
      this.#buffer = this.handle.buffer; // a shared one is not emptied
      return true;
    } catch {
      return false;
    }
  }
}

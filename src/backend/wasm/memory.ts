import type { LinearMemory } from "../backend.js";
import { isShared } from "./instantiate.js";

const PAGE_BYTES = 65536;

/** Linear memory of the Wasm backend: a WebAssembly.Memory that the host owns and every kernel module imports. */
export class WasmMemory implements LinearMemory {
  readonly handle: WebAssembly.Memory;
  #buffer: ArrayBuffer;
  /** Whether somebody else may grow it, and nothing tells: a shared buffer is not emptied. */
  readonly #growsUnseen: boolean;

  /** Somebody else's memory. */
  constructor(handle: WebAssembly.Memory, growsUnseen = isShared(handle)) {
    this.handle = handle;
    this.#buffer = handle.buffer;
    this.#growsUnseen = growsUnseen;
  }

  static create(initialBytes: number, maximumBytes: number, shared = false): WasmMemory {
    const maximum = Math.floor(maximumBytes / PAGE_BYTES);
    const initial = Math.min(Math.ceil(initialBytes / PAGE_BYTES), maximum);
    return new WasmMemory(new WebAssembly.Memory({ initial, maximum, shared }), false);
  }

  /** Kept, because the engine's own getter costs more than a small step; growth empties the old one. */
  get buffer(): ArrayBufferLike {
    if (this.#buffer.byteLength === 0 || this.#growsUnseen) this.#buffer = this.handle.buffer;
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

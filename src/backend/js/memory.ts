import type { LinearMemory } from "../backend.js";

const PAGE_BYTES = 65536;

/** Linear memory of the JavaScript backend: an ArrayBuffer of whole pages, replaced by a longer one when it grows. */
export class JsMemory implements LinearMemory {
  readonly #maximumBytes: number;
  #buffer: ArrayBuffer;

  constructor(initialBytes: number, maximumBytes: number) {
    this.#maximumBytes = Math.floor(maximumBytes / PAGE_BYTES) * PAGE_BYTES;
    this.#buffer = new ArrayBuffer(Math.min(wholePages(initialBytes), this.#maximumBytes));
  }

  get buffer(): ArrayBuffer {
    return this.#buffer;
  }

  grow(bytes: number): boolean {
    if (bytes <= this.#buffer.byteLength) return true;
    if (bytes > this.#maximumBytes) return false;
    try {
      const longer = new ArrayBuffer(wholePages(bytes));
      new Uint8Array(longer).set(new Uint8Array(this.#buffer));
      this.#buffer = longer;
      return true;
    } catch {
      return false;
    }
  }
}

function wholePages(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}

import type { LinearMemory } from "../backend.js";

/** Linear memory of the JavaScript backend: an ArrayBuffer, replaced by a longer one when it grows. */
export class JsMemory implements LinearMemory {
  readonly #maximumBytes: number;
  #buffer: ArrayBuffer;

  constructor(initialBytes: number, maximumBytes: number) {
    this.#buffer = new ArrayBuffer(initialBytes);
    this.#maximumBytes = maximumBytes;
  }

  get buffer(): ArrayBuffer {
    return this.#buffer;
  }

  grow(bytes: number): boolean {
    if (bytes <= this.#buffer.byteLength) return true;
    if (bytes > this.#maximumBytes) return false;
    try {
      const longer = new ArrayBuffer(bytes);
      new Uint8Array(longer).set(new Uint8Array(this.#buffer));
      this.#buffer = longer;
      return true;
    } catch {
      return false;
    }
  }
}

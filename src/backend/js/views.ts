import type { LinearMemory } from "../backend.js";

/** float32 and int32 views of the whole linear memory, renewed when it has grown. */
export class Views {
  readonly #memory: LinearMemory;
  #f32: Float32Array;
  #i32: Int32Array;

  constructor(memory: LinearMemory) {
    this.#memory = memory;
    this.#f32 = new Float32Array(memory.buffer);
    this.#i32 = new Int32Array(memory.buffer);
  }

  get f32(): Float32Array {
    if (this.#f32.buffer !== this.#memory.buffer) this.#f32 = new Float32Array(this.#memory.buffer);
    return this.#f32;
  }

  get i32(): Int32Array {
    if (this.#i32.buffer !== this.#memory.buffer) this.#i32 = new Int32Array(this.#memory.buffer);
    return this.#i32;
  }
}

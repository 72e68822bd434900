/** What the runtime offers, each found by trying; see `core.features`. */
export interface Features {
  /** 128-bit SIMD in Wasm. */
  readonly simd: boolean;
  /** Relaxed SIMD in Wasm. */
  readonly relaxedSimd: boolean;
  /** Shared memory that can be handed to workers. */
  readonly threads: boolean;
  /** The kernels run widened to 256 bits. */
  readonly wide: boolean;
}

/** `(module (func (result v128) …body))`; the smallest module that validates only where the instruction exists. */
function moduleWithBody(...body: number[]): Uint8Array<ArrayBuffer> {
  // biome-ignore format: one section a line
  return Uint8Array.of(
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    1, 5, 1, 0x60, 0, 1, 0x7b,
    3, 2, 1, 0,
    10, body.length + 4, 1, body.length + 2, 0, ...body, 0x0b,
  );
}

const V128_ZERO = [0x41, 0, 0xfd, 0x0f]; // i32.const 0, i8x16.splat

/** Asks the engine; nothing is compiled or run. */
export function probeFeatures(): Features {
  const validates = (body: number[]): boolean => {
    try {
      return WebAssembly.validate(moduleWithBody(...body));
    } catch {
      return false;
    }
  };
  return {
    simd: validates([...V128_ZERO, 0xfd, 0x62]), // i8x16.popcnt
    relaxedSimd: validates([...V128_ZERO, ...V128_ZERO, ...V128_ZERO, 0xfd, 0x85, 0x02]), // f32x4.relaxed_madd
    threads: typeof SharedArrayBuffer === "function" && typeof Atomics === "object",
    wide: false,
  };
}

import { bytesOf, canonical } from "./digest.js";
import { valuesOf } from "./packets.js";

/** How float32 values travel. Encoding a decoded array again gives the same values. */
export interface Codec {
  encode(values: Float32Array): Uint8Array;
  /** Undefined if these are not `count` values. */
  decode(bytes: Uint8Array, count: number): Float32Array | undefined;
}

/** All bits; every NaN becomes the same. */
export const float32: Codec = {
  encode: (values) => bytesOf(canonical(values)),
  decode: (bytes, count) => (bytes.length === 4 * count ? valuesOf(bytes) : undefined),
};

/** The upper half of a float32, rounded to nearest, ties to even: half the bytes, a relative error of up to 2⁻⁸. */
export const bfloat16: Codec = {
  encode(values) {
    const { buffer, byteOffset, length } = canonical(values);
    const bits = new Uint32Array(buffer, byteOffset, length);
    const halves = new Uint16Array(bits.length);
    for (let i = 0; i < bits.length; i++) {
      const word = bits[i]!;
      const isNotANumber = (word & 0x7fffffff) > 0x7f800000;
      halves[i] = isNotANumber ? 0x7fc0 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
    }
    return bytesOf(halves);
  },
  decode(bytes, count) {
    if (bytes.length !== 2 * count) return undefined;
    const halves = new Uint16Array(new Uint8Array(bytes).buffer);
    const words = Uint32Array.from(halves, (half) => half << 16);
    return new Float32Array(words.buffer);
  },
};

/** Values that share a scale. */
const GROUP = 128;

/**
 * Integers from −127 to 127, and for each 128 of them a float32 scale, the largest magnitude / 127: about a quarter of
 * the bytes. A group with a value that is not finite becomes NaN.
 */
export const int8: Codec = {
  encode(values) {
    const groups = Math.ceil(values.length / GROUP);
    const bytes = new Uint8Array(4 * groups + values.length);
    const scales = new Float32Array(bytes.buffer, 0, groups);
    const integers = new Int8Array(bytes.buffer, 4 * groups);
    for (let group = 0; group < groups; group++) {
      const end = Math.min(values.length, (group + 1) * GROUP);
      let largest = 0;
      for (let i = group * GROUP; i < end; i++) {
        const magnitude = Math.abs(values[i]!);
        if (!(magnitude <= largest)) largest = Number.isFinite(magnitude) ? magnitude : Number.NaN;
        if (Number.isNaN(largest)) break;
      }
      scales[group] = largest / 127;
      const scale = scales[group]!;
      if (!(scale > 0)) continue;
      for (let i = group * GROUP; i < end; i++) {
        integers[i] = Math.max(-127, Math.min(127, Math.floor(values[i]! / scale + 0.5)));
      }
    }
    return bytes;
  },
  decode(bytes, count) {
    const groups = Math.ceil(count / GROUP);
    if (bytes.length !== 4 * groups + count) return undefined;
    const copy = new Uint8Array(bytes);
    const scales = new Float32Array(copy.buffer, 0, groups);
    const integers = new Int8Array(copy.buffer, 4 * groups);
    return Float32Array.from(integers, (integer, i) => integer * scales[Math.floor(i / GROUP)]!);
  },
};

export const CODECS = { none: float32, bfloat16, int8 } as const;

/** How the changes of a round travel. */
export type Compression = keyof typeof CODECS;

/**
 * Digests of messages, sums and parameters: they find damage and divergence, not an attacker's work.
 *
 * @see Austin Appleby, MurmurHash3_x86_32, https://github.com/aappleby/smhasher
 */

/** MurmurHash3_x86_32 of `bytes`. */
export function murmur3(bytes: Uint8Array, seed: number): number {
  const words = wordsOf(bytes);
  let h = seed | 0;
  for (let i = 0; i < words.length; i++) h = mix(h, words[i]!);
  const tail = bytes.length & 3;
  if (tail > 0) {
    let k = 0;
    for (let i = tail - 1; i >= 0; i--) k = (k << 8) | bytes[bytes.length - tail + i]!;
    h ^= scramble(k);
  }
  return finish(h, bytes.length);
}

/** 64 bits of digest, as 16 hexadecimal digits. */
export function digestOf(bytes: Uint8Array): string {
  return hex(murmur3(bytes, 0x6c616e65)) + hex(murmur3(bytes, 0x77697365));
}

/** Digest of a text in UTF-8. */
export function digestOfText(text: string): string {
  return digestOf(new TextEncoder().encode(text));
}

/** Digest of float32 values; every NaN counts as the same value. */
export function digestOfValues(values: Float32Array): string {
  return digestOf(bytesOf(canonical(values)));
}

/** A copy in which every NaN has the bits 0x7fc00000, as numbers leave the process. */
export function canonical(values: Float32Array): Float32Array {
  const copy = values.slice();
  const bits = new Uint32Array(copy.buffer);
  for (let i = 0; i < bits.length; i++) if ((bits[i]! & 0x7fffffff) > 0x7f800000) bits[i] = 0x7fc00000;
  return copy;
}

/** The bytes of an array, not copied. */
export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  const count = bytes.length >>> 2;
  if (bytes.byteOffset % 4 === 0) return new Uint32Array(bytes.buffer, bytes.byteOffset, count);
  return new Uint32Array(new Uint8Array(bytes.subarray(0, 4 * count)).buffer);
}

function scramble(k: number): number {
  const product = Math.imul(k, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}

function mix(h: number, k: number): number {
  const mixed = h ^ scramble(k);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(hash: number, length: number): number {
  let h = hash ^ length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, "0");
}

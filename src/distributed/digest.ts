/**
 * Digests of messages, sums and parameters: they find damage and divergence, not an attacker's work.
 *
 * @see Austin Appleby, MurmurHash3_x86_32, https://github.com/aappleby/smhasher
 */

/** MurmurHash3_x86_32 of `bytes`. */
export function murmur3(bytes: Uint8Array, seed: number): number {
  const words = wordsOf(bytes);
  let h = seed | 0;
  for (let i = 0; i < words.length; i++) h = mix(h, scramble(words[i]!));
  return finish(h ^ tailOf(bytes), bytes.length);
}

const SEEDS = [0x6c616e65, 0x77697365] as const;

/** 64 bits of digest, as 16 hexadecimal digits: MurmurHash3 with two seeds. */
export function digestOf(bytes: Uint8Array): string {
  const words = wordsOf(bytes);
  let [a, b] = SEEDS as readonly [number, number];
  for (let i = 0; i < words.length; i++) {
    const k = scramble(words[i]!);
    a = mix(a, k);
    b = mix(b, k);
  }
  return [a, b]
    .map((h) =>
      finish(h ^ tailOf(bytes), bytes.length)
        .toString(16)
        .padStart(8, "0"),
    )
    .join("");
}

/** Digest of a text in UTF-8. */
export function digestOfText(text: string): string {
  return digestOf(new TextEncoder().encode(text));
}

/** Digest of float32 values; every NaN counts as the same value. */
export function digestOfValues(values: Float32Array): string {
  return digestOf(bytesOf(canonical(values)));
}

/** The values with every NaN as 0x7fc00000, as numbers leave the process: a copy if there is a NaN, else themselves. */
export function canonical(values: Float32Array): Float32Array {
  let first = 0;
  while (first < values.length && !Number.isNaN(values[first])) first++;
  if (first === values.length) return values;
  const copy = values.slice();
  const bits = new Uint32Array(copy.buffer);
  for (let i = first; i < bits.length; i++) if ((bits[i]! & 0x7fffffff) > 0x7f800000) bits[i] = 0x7fc00000;
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

/** What the last bytes that fill no word add. */
function tailOf(bytes: Uint8Array): number {
  const tail = bytes.length & 3;
  let k = 0;
  for (let i = tail - 1; i >= 0; i--) k = (k << 8) | bytes[bytes.length - tail + i]!;
  return tail > 0 ? scramble(k) : 0;
}

function scramble(k: number): number {
  const product = Math.imul(k, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}

function mix(h: number, k: number): number {
  const mixed = h ^ k;
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(hash: number, length: number): number {
  let h = hash ^ length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

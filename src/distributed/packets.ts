import { bytesOf, murmur3 } from "./digest.js";

/**
 * Messages of any length as packets that a transport can carry.
 *
 * A packet: magic (4 bytes), checksum of what follows (4), sender (4), message (4), index (4), count (4), bytes of the
 * message (4), part of the message. All numbers are little-endian. A damaged packet is dropped, like one that was lost;
 * so is a message some of whose packets never arrive. Packets may arrive twice and in any order.
 */
const MAGIC = 0x3157_4c44;
const HEADER_BYTES = 28;
const CHECKSUM_SEED = 0x5eed;
/** Longest message that is put together: a stranger's packet must not make a member allocate what it likes. */
const MOST_BYTES = 1024 * 1024 * 1024;

/** Cuts messages into packets of at most `limit` bytes. */
export class Packetizer {
  readonly #limit: number;
  readonly #sender: number;
  #message = 0;

  /** @param sender a random number of 32 bits, different for each sender */
  constructor(limit: number, sender: number) {
    this.#limit = limit - HEADER_BYTES;
    this.#sender = sender;
  }

  /** @param message in pieces, which need not be joined for this */
  split(...message: readonly Uint8Array[]): Uint8Array[] {
    const total = message.reduce((sum, { length }) => sum + length, 0);
    const count = Math.max(1, Math.ceil(total / this.#limit));
    const number = this.#message++;
    return Array.from({ length: count }, (_, index) => {
      const first = index * this.#limit;
      const packet = new Uint8Array(HEADER_BYTES + Math.min(this.#limit, total - first));
      const words = new Uint32Array(packet.buffer, 0, HEADER_BYTES / 4);
      words.set([MAGIC, 0, this.#sender, number, index, count, total]);
      copyRange(message, first, packet.subarray(HEADER_BYTES));
      words[1] = murmur3(packet.subarray(8), CHECKSUM_SEED);
      return packet;
    });
  }
}

/** Fills `to` with the bytes from `first` on of the pieces, one after the other. */
function copyRange(pieces: readonly Uint8Array[], first: number, to: Uint8Array): void {
  let start = 0;
  for (const piece of pieces) {
    const from = Math.max(0, first - start);
    const at = Math.max(0, start - first);
    if (from < piece.length && at < to.length) to.set(piece.subarray(from, from + to.length - at), at);
    start += piece.length;
  }
}

/** A message some of whose packets are there. */
interface Incomplete {
  bytes: Uint8Array;
  readonly isThere: Uint8Array;
  missing: number;
}

/** Puts messages together again. Holds at most `limit` bytes of incomplete ones, or one, and drops the oldest first. */
export class Assembler {
  readonly #limit: number;
  readonly #own: number | undefined;
  readonly #incomplete = new Map<string, Incomplete>();
  #bytes = 0;
  /** Packets dropped because they were damaged. */
  damaged = 0;

  /** @param own the sender whose packets are not looked at: transports may bring a member's own back */
  constructor(limit = 256 * 1024 * 1024, own?: number) {
    this.#limit = limit;
    this.#own = own;
  }

  /** The message that this packet completes, if it does. */
  accept(received: Uint8Array): Uint8Array | undefined {
    const packet = bytesOf(received); // a Node Buffer's slice() would not copy
    const header = packet.length < HEADER_BYTES ? undefined : new Uint32Array(packet.slice(0, HEADER_BYTES).buffer);
    if (header?.[0] === MAGIC && header[2] === this.#own) return undefined;
    const part = packet.subarray(HEADER_BYTES);
    const isWhole = header?.[0] === MAGIC && header[1] === murmur3(packet.subarray(8), CHECKSUM_SEED);
    const [, , sender, number, index = 0, count = 0, total = 0] = header ?? [];
    if (!isWhole || index >= count || total > MOST_BYTES || count > Math.max(1, total) || part.length > total) {
      this.damaged++;
      return undefined;
    }
    if (count === 1) return part.slice();
    return this.#collect(`${sender}:${number}`, index, count, total, part);
  }

  #collect(key: string, index: number, count: number, total: number, part: Uint8Array): Uint8Array | undefined {
    let message = this.#incomplete.get(key);
    if (message === undefined) {
      message = { bytes: new Uint8Array(total), isThere: new Uint8Array(count), missing: count };
      this.#incomplete.set(key, message);
      this.#bytes += total;
      this.#forget(key);
    }
    // Complete: what comes now is a repetition. The entry stays a while, so that it is known as one.
    if (message.isThere.length !== count || message.isThere[index] !== 0 || message.bytes.length !== total)
      return undefined;
    message.isThere[index] = 1;
    message.missing--;
    message.bytes.set(part, index === count - 1 ? total - part.length : index * part.length);
    if (message.missing > 0) return undefined;
    const whole = message.bytes;
    message.bytes = new Uint8Array(0);
    this.#bytes -= total;
    return whole;
  }

  #forget(newest: string): void {
    for (const [key, { bytes }] of this.#incomplete) {
      if (key === newest || (this.#bytes <= this.#limit && this.#incomplete.size <= 256)) return;
      this.#incomplete.delete(key);
      this.#bytes -= bytes.length;
    }
  }
}

/** A message is a header in JSON and a payload: the header's length (4 bytes), the header, padded to 4, the payload. */
export function encodeMessage(header: object, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  return joinBytes([encodeHeader(header), payload]);
}

/** A message without its payload. */
export function encodeHeader(header: object): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const start = new Uint8Array(4 + Math.ceil(text.length / 4) * 4);
  new DataView(start.buffer).setUint32(0, text.length, true);
  start.set(text, 4);
  return start;
}

/** The header and the payload, not copied; undefined if this is no message. */
export function decodeMessage(message: Uint8Array): { header: unknown; payload: Uint8Array } | undefined {
  if (message.length < 4) return undefined;
  const length = new DataView(message.buffer, message.byteOffset).getUint32(0, true);
  const start = 4 + Math.ceil(length / 4) * 4;
  if (start > message.length) return undefined;
  try {
    const header: unknown = JSON.parse(new TextDecoder().decode(message.subarray(4, 4 + length)));
    return { header, payload: message.subarray(start) };
  } catch {
    return undefined;
  }
}

/** One array after the other. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The float32 values in a payload: a view where it is aligned, else a copy. */
export function valuesOf(payload: Uint8Array): Float32Array {
  if (payload.byteOffset % 4 === 0) return new Float32Array(payload.buffer, payload.byteOffset, payload.length >>> 2);
  return new Float32Array(new Uint8Array(payload).buffer, 0, payload.length >>> 2);
}

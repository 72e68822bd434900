import { bytesOf, murmur3 } from "./digest.js";

/**
 * Messages of any length as packets that a transport can carry.
 *
 * A packet: magic (4 bytes), checksum of what follows (4), sender (4), message (4), index (4), count (4), part of the
 * message. All numbers are little-endian. A damaged packet is dropped, like one that was lost; so is a message some of
 * whose packets never arrive. Packets may arrive twice and in any order.
 */
const MAGIC = 0x3157_4c44;
const HEADER_BYTES = 24;
const CHECKSUM_SEED = 0x5eed;

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

  split(message: Uint8Array): Uint8Array[] {
    const count = Math.max(1, Math.ceil(message.length / this.#limit));
    const number = this.#message++;
    return Array.from({ length: count }, (_, index) => {
      const part = message.subarray(index * this.#limit, (index + 1) * this.#limit);
      const packet = new Uint8Array(HEADER_BYTES + part.length);
      const words = new Uint32Array(packet.buffer, 0, HEADER_BYTES / 4);
      words.set([MAGIC, 0, this.#sender, number, index, count]);
      packet.set(part, HEADER_BYTES);
      words[1] = murmur3(packet.subarray(8), CHECKSUM_SEED);
      return packet;
    });
  }
}

/** A message some of whose packets are there. */
interface Incomplete {
  readonly parts: (Uint8Array | undefined)[];
  missing: number;
  bytes: number;
}

/** Puts messages together again. Holds at most `limit` bytes of incomplete ones and drops the oldest first. */
export class Assembler {
  readonly #limit: number;
  readonly #incomplete = new Map<string, Incomplete>();
  #bytes = 0;
  /** Packets dropped because they were damaged. */
  damaged = 0;

  constructor(limit = 256 * 1024 * 1024) {
    this.#limit = limit;
  }

  /** The message that this packet completes, if it does. */
  accept(received: Uint8Array): Uint8Array | undefined {
    const packet = bytesOf(received); // a Node Buffer's slice() would not copy
    const header = packet.length < HEADER_BYTES ? undefined : new Uint32Array(packet.slice(0, HEADER_BYTES).buffer);
    if (header?.[0] !== MAGIC || header[1] !== murmur3(packet.subarray(8), CHECKSUM_SEED)) {
      this.damaged++;
      return undefined;
    }
    const [, , sender, number, index, count] = header as unknown as number[];
    if (index! >= count! || count! > 1 << 20) {
      this.damaged++;
      return undefined;
    }
    const part = packet.subarray(HEADER_BYTES);
    if (count === 1) return part.slice();
    return this.#collect(`${sender}:${number}`, index!, count!, part);
  }

  #collect(key: string, index: number, count: number, part: Uint8Array): Uint8Array | undefined {
    let message = this.#incomplete.get(key);
    if (message === undefined) {
      message = { parts: new Array(count).fill(undefined), missing: count, bytes: 0 };
      this.#incomplete.set(key, message);
    }
    // Complete: what comes now is a repetition. The entry stays a while, so that it is known as one.
    if (message.missing === 0 || message.parts.length !== count || message.parts[index] !== undefined) return undefined;
    message.parts[index] = part.slice();
    message.missing--;
    message.bytes += part.length;
    this.#bytes += part.length;
    let whole: Uint8Array | undefined;
    if (message.missing === 0) {
      whole = joinBytes(message.parts as Uint8Array[]);
      this.#bytes -= message.bytes;
      message.bytes = 0;
      message.parts.fill(undefined);
    }
    for (const [oldest, { bytes }] of this.#incomplete) {
      if (this.#bytes <= this.#limit && this.#incomplete.size <= 256) break;
      this.#incomplete.delete(oldest);
      this.#bytes -= bytes;
    }
    return whole;
  }
}

/** A message is a header in JSON and a payload: the header's length (4 bytes), the header, padded to 4, the payload. */
export function encodeMessage(header: object, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const start = 4 + Math.ceil(text.length / 4) * 4;
  const message = new Uint8Array(start + payload.length);
  new DataView(message.buffer).setUint32(0, text.length, true);
  message.set(text, 4);
  message.set(payload, start);
  return message;
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

/** The float32 values in a payload, copied, so that they are aligned. */
export function valuesOf(payload: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(payload).buffer, 0, payload.length >>> 2);
}

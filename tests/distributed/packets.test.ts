import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestOf, digestOfValues, murmur3 } from "../../src/distributed/digest.js";
import { Assembler, decodeMessage, encodeMessage, Packetizer } from "../../src/distributed/packets.js";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("murmur3", () => {
  // Of the reference implementation's authors and of Wikipedia's list of test vectors.
  it.each([
    ["", 0, 0x00000000],
    ["", 1, 0x514e28b7],
    ["", 0xffffffff, 0x81f16f39],
    ["test", 0, 0xba6bd213],
    ["test", 0x9747b28c, 0x704b81dc],
    ["Hello, world!", 0, 0xc0363e43],
    ["Hello, world!", 0x9747b28c, 0x24884cba],
    ["The quick brown fox jumps over the lazy dog", 0, 0x2e4ff723],
    ["The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd],
  ])("of %j with seed %i", (text, seed, expected) => {
    expect(murmur3(bytes(text), seed)).toBe(expected);
  });

  it("does not depend on where the bytes are", () => {
    const text = bytes("0123456789abcdef");
    const shifted = new Uint8Array(20);
    shifted.set(text, 3);
    expect(murmur3(shifted.subarray(3, 19), 7)).toBe(murmur3(text, 7));
    expect(murmur3(Buffer.from("x0123456789abcdef").subarray(1), 7)).toBe(murmur3(text, 7));
  });
});

describe("digests of values", () => {
  it("take NaN for one value, and tell −0 from 0", () => {
    const nan = new Float32Array(Uint32Array.of(0x7fc00001, 0xffc00000, 0x7f800001).buffer);
    const digests = [...nan].map((_, i) => digestOfValues(nan.subarray(i, i + 1)));
    expect(new Set([...digests, digestOfValues(Float32Array.of(Number.NaN))]).size).toBe(1);
    expect(digestOfValues(Float32Array.of(0))).not.toBe(digestOfValues(Float32Array.of(-0)));
    expect(digestOf(bytes(""))).toMatch(/^[0-9a-f]{16}$/);
  });
});

describe("packets", () => {
  it("bring messages of any length, shuffled, doubled and mixed", () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 29, max: 90 }), fc.infiniteStream(fc.nat()), (lengths, limit, chance) => {
        const senders = [new Packetizer(limit, 1), new Packetizer(limit, 2)];
        const messages = lengths.map((length, i) => Uint8Array.from({ length }, (_, k) => k + i));
        const packets = messages.flatMap((message, i) => senders[i % 2]!.split(message));
        for (const packet of packets) expect(packet.length).toBeLessThanOrEqual(limit);
        const twice = [...packets, ...packets].map((packet) => ({ packet, at: chance.next().value! }));
        twice.sort((a, b) => a.at - b.at);
        const assembler = new Assembler();
        const arrived = twice.flatMap(({ packet }) => assembler.accept(Buffer.from(packet)) ?? []);
        const texts = (all: Uint8Array[]) => all.map((message) => Buffer.from(message).toString("hex")).sort();
        const single = packets.length - messages.length === 0;
        // A message of one packet is not remembered: it comes as often as its packet.
        const expected = messages.flatMap((message) => (message.length <= limit - 28 ? [message, message] : [message]));
        expect(texts(arrived)).toEqual(texts(expected));
        expect(single || assembler.damaged === 0).toBe(true);
      }),
    );
  });

  it("are dropped when a bit has changed, whichever", () => {
    const [packet] = new Packetizer(1000, 5).split(bytes("a message"));
    for (let bit = 0; bit < 8 * packet!.length; bit++) {
      const damaged = packet!.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const assembler = new Assembler();
      expect(assembler.accept(damaged), `bit ${bit}`).toBeUndefined();
      expect(assembler.damaged).toBe(1);
    }
    for (let length = 0; length < packet!.length; length++) {
      expect(new Assembler().accept(packet!.subarray(0, length)), `${length} bytes`).toBeUndefined();
    }
  });

  it("of a member's own that come back are not looked at", () => {
    const [own] = new Packetizer(1000, 5).split(bytes("mine"));
    const [other] = new Packetizer(1000, 6).split(bytes("theirs"));
    const assembler = new Assembler(1000, 5);
    expect(assembler.accept(own!)).toBeUndefined();
    expect(assembler.accept(other!)).toEqual(bytes("theirs"));
    expect(assembler.damaged).toBe(0);
  });

  it("of messages that stay incomplete are forgotten, the oldest first", () => {
    const assembler = new Assembler(300);
    const packetizer = new Packetizer(128, 1);
    const incomplete = Array.from({ length: 10 }, () => packetizer.split(new Uint8Array(200)));
    for (const [first] of incomplete) expect(assembler.accept(first!)).toBeUndefined();
    expect(assembler.accept(incomplete[9]![1]!)).toEqual(new Uint8Array(200));
    // The first packet of this one is forgotten: its second is one of two again.
    expect(assembler.accept(incomplete[0]![1]!)).toBeUndefined();
    expect(assembler.accept(incomplete[0]![0]!)).toEqual(new Uint8Array(200));
  });
});

describe("messages", () => {
  it("have a header and a payload", () => {
    const payload = Uint8Array.of(1, 2, 3);
    const message = encodeMessage({ type: "ä" }, payload);
    expect(decodeMessage(message)).toEqual({ header: { type: "ä" }, payload });
    expect(decodeMessage(encodeMessage({}))).toEqual({ header: {}, payload: new Uint8Array(0) });
  });

  it.each([[[]], [[1, 2]], [[255, 255, 255, 255]], [[2, 0, 0, 0, 65, 66, 0, 0]]])("%j is none", (values) => {
    expect(decodeMessage(Uint8Array.from(values))).toBeUndefined();
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Arena, AttachedHeap } from "../../src/backend/arena.js";
import { JsMemory } from "../../src/backend/js/memory.js";
import { BackendError, OutOfMemoryError } from "../../src/errors.js";

describe("Arena", () => {
  it("hands out disjoint blocks on cache lines, whatever is allocated and freed", () => {
    const step = fc.oneof(
      fc.nat(5000).map((bytes) => ({ bytes })),
      fc.nat(50).map((free) => ({ free })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const arena = new Arena(new JsMemory(256, 2 ** 24));
        const live: { address: number; bytes: number }[] = [];
        for (const s of steps) {
          if ("bytes" in s) {
            const address = arena.allocate(s.bytes);
            expect(address % 64).toBe(0);
            expect(address).toBeGreaterThan(0);
            for (const other of live) {
              expect(address + s.bytes <= other.address || other.address + other.bytes <= address).toBe(true);
            }
            live.push({ address, bytes: Math.max(s.bytes, 1) });
          } else if (live.length > 0) arena.free(live.splice(s.free % live.length, 1)[0]!.address);
        }
        for (const { address } of live) arena.free(address);
        expect(arena.bytesInUse).toBe(0);
        // Everything has merged into one block again: the whole is available at the first address.
        expect(arena.allocate(64)).toBe(64);
      }),
    );
  });

  it("starts blocks of whole pages in different sets of a cache", () => {
    for (const pages of [1, 16, 64]) {
      const arena = new Arena(new JsMemory(0, 2 ** 24));
      const sets = Array.from({ length: 8 }, () => arena.allocate(pages * 4096) % 4096);
      expect(new Set(sets).size).toBe(8);
    }
  });

  it("reuses what was freed before it grows", () => {
    const memory = new JsMemory(65536, 65536);
    const arena = new Arena(memory);
    for (let i = 0; i < 100; i++) {
      const a = arena.allocate(20_000);
      const b = arena.allocate(30_000);
      arena.free(a);
      arena.free(b);
      arena.free(arena.allocate(60_000));
    }
    expect(memory.buffer.byteLength).toBe(65536);
  });

  it("grows, and keeps what was there", () => {
    const memory = new JsMemory(128, 2 ** 20);
    const arena = new Arena(memory);
    const address = arena.allocate(64);
    new Uint8Array(memory.buffer)[address] = 7;
    arena.allocate(100_000);
    expect(new Uint8Array(memory.buffer)[address]).toBe(7);
  });

  it.each([1 << 14, 1 << 18, 1 << 20])("keeps the five arrays of a step, of %i bytes, apart within a page", (bytes) => {
    const arena = new Arena(new JsMemory(0, 2 ** 24));
    const places = Array.from({ length: 5 }, () => arena.allocate(bytes) % 4096).sort((a, b) => a - b);
    for (const [i, place] of places.entries()) if (i > 0) expect(place - places[i - 1]!).toBeGreaterThanOrEqual(256);
  });

  it("throws OutOfMemoryError past the maximum, and is as it was before", () => {
    const arena = new Arena(new JsMemory(0, 65536));
    const address = arena.allocate(32000);
    expect(() => arena.allocate(65536)).toThrow(OutOfMemoryError);
    expect(() => arena.allocate(1e15)).toThrow(/cannot grow/);
    expect(arena.bytesInUse).toBe(32000);
    arena.free(address);
    expect(arena.allocate(60_000)).toBe(address);
  });

  it("takes everything back at once", () => {
    const arena = new Arena(new JsMemory(65536, 65536));
    for (let i = 1; i < 20; i++) arena.allocate(i * 100);
    arena.freeAll();
    expect(arena.bytesInUse).toBe(0);
    expect(arena.allocate(60_000)).toBe(64);
  });

  it("ignores an address that is not in use", () => {
    const arena = new Arena(new JsMemory(65536, 65536));
    const address = arena.allocate(64);
    arena.free(address);
    arena.free(address);
    arena.free(12345);
    expect(arena.bytesInUse).toBe(0);
    expect(arena.allocate(64)).not.toBe(arena.allocate(64));
  });
});

describe("AttachedHeap", () => {
  it("passes on to the heap it was given, and counts", () => {
    const freed: number[] = [];
    const heap = new AttachedHeap({ allocate: (bytes) => 4096 + bytes, free: (address) => freed.push(address) });
    const address = heap.allocate(100);
    expect(address).toBe(4196);
    expect(heap.bytesInUse).toBe(100);
    heap.free(address);
    heap.free(address);
    expect(freed).toEqual([4196]);
    expect(heap.bytesInUse).toBe(0);
  });

  it("throws OutOfMemoryError when the heap gives nothing", () => {
    expect(() => new AttachedHeap({ allocate: () => 0, free: () => {} }).allocate(8)).toThrow(OutOfMemoryError);
  });

  it("checks what the owner's allocator returns, and loses nothing", () => {
    const size = 4096;
    const freed: number[] = [];
    let answer: unknown = 64;
    const allocate = () => {
      if (answer instanceof Error) throw answer;
      return answer as number;
    };
    const heap = new AttachedHeap({ allocate, free: (address) => freed.push(address) }, () => size);
    expect(heap.allocate(100)).toBe(64);
    const refused: [unknown, RegExp][] = [
      [64, /returned 64, which it had returned before and which is still in use/],
      [4000, /returned 4000, expected a block inside the memory, which ends at 4096/],
      [66, /returned 66, expected an address divisible by 4/],
      [undefined, /returned undefined, expected an address/],
      ["64", /returned "64", expected an address/],
      [Number.NaN, /returned NaN/],
      [1n, /returned 1n/],
      [new Error("full"), /memory\.allocate\(100\) threw Error: full/],
    ];
    for (const [value, message] of refused) {
      answer = value;
      expect(() => heap.allocate(100)).toThrow(OutOfMemoryError);
      expect(() => heap.allocate(100)).toThrow(message);
      expect(heap.bytesInUse).toBe(100);
    }
    expect(freed).toEqual([4000, 4000, 66, 66]);
    heap.free(64);
    expect(freed.at(-1)).toBe(64);
  });

  it("says so when the owner's free fails", () => {
    const free = () => {
      throw new Error("no such block");
    };
    const heap = new AttachedHeap({ allocate: () => 64, free });
    heap.allocate(8);
    expect(() => heap.free(64)).toThrow(BackendError);
    expect(heap.bytesInUse).toBe(0);
  });
});

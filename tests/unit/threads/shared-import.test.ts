import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { withSharedMemory } from "../../../src/backend/wasm/shared-import.js";

const read = (name: string) => readFileSync(new URL(`../../../build/wasm/${name}.wasm`, import.meta.url));
const memory = (shared: boolean) => new WebAssembly.Memory({ initial: 1, maximum: 65536, shared });

it.each(["simd", "relaxed", "nn", "elementary"])("lets %s.wasm work over shared memory, and only there", (name) => {
  const bytes = read(name);
  const before = Buffer.from(bytes);
  const shared = withSharedMemory(bytes);
  expect(bytes.equals(before)).toBe(true);
  if (name === "relaxed" && !WebAssembly.validate(bytes)) return; // Node 20 has no relaxed SIMD
  const module = new WebAssembly.Module(shared);
  const original = new WebAssembly.Module(bytes);
  expect(WebAssembly.Module.exports(module)).toEqual(WebAssembly.Module.exports(original));
  expect(() => new WebAssembly.Instance(original, { env: { memory: memory(true) } })).toThrow(WebAssembly.LinkError);
  expect(() => new WebAssembly.Instance(module, { env: { memory: memory(false) } })).toThrow(WebAssembly.LinkError);
  expect(() => new WebAssembly.Instance(module, { env: { memory: memory(true) } })).not.toThrow();
});

it("refuses what it does not know", () => {
  const header = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  expect(() => withSharedMemory(header)).toThrow(/does not import env\.memory/);
  expect(() => withSharedMemory(withSharedMemory(read("simd")))).toThrow(/unshared/);
});

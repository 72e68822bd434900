import type { WasmBinary } from "../backend.js";
import { withSharedMemory } from "./shared-import.js";

/** What every binary imports: the memory that it works in, and nothing else. */
export function importsOver(memory: WebAssembly.Memory): WebAssembly.Imports {
  return { env: { memory } };
}

/** Compiles, where need be, and instantiates a binary; throws where synchronous compilation is not allowed. */
export function instantiateSync(binary: WasmBinary, memory: WebAssembly.Memory): WebAssembly.Exports {
  return new WebAssembly.Instance(compile(binary, memory), importsOver(memory)).exports;
}

/** The bytes of a binary, fit for this memory. */
export function bytesFor(hex: string, memory: WebAssembly.Memory): Uint8Array<ArrayBuffer> {
  const bytes = decodeHex(hex);
  const isShared = Object.prototype.toString.call(memory.buffer) === "[object SharedArrayBuffer]";
  return isShared ? withSharedMemory(bytes) : bytes;
}

/** Compiles a binary for this memory. */
export function compile(binary: WasmBinary, memory: WebAssembly.Memory): WebAssembly.Module {
  return typeof binary === "string" ? new WebAssembly.Module(bytesFor(binary, memory)) : binary;
}

/** The bytes of a binary that is carried as a string. */
export function decodeHex(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

import type { WasmBinary } from "../backend.js";

/** What every binary imports: the memory that it works in, and nothing else. */
export function importsOver(memory: WebAssembly.Memory): WebAssembly.Imports {
  return { env: { memory } };
}

/** Compiles, where need be, and instantiates a binary; throws where synchronous compilation is not allowed. */
export function instantiateSync(binary: WasmBinary, memory: WebAssembly.Memory): WebAssembly.Exports {
  const module = typeof binary === "string" ? new WebAssembly.Module(decodeHex(binary)) : binary;
  return new WebAssembly.Instance(module, importsOver(memory)).exports;
}

/** The bytes of a binary that is carried as a string. */
export function decodeHex(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

import { tagOf } from "../../checks.js";
import type { CoreKernels } from "../families/core.js";
import type { Binary, KernelFamily } from "../family.js";
import type { Instantiated } from "../select.js";
import { forJavaScriptCore, isJavaScriptCore } from "./javascriptcore.js";

/** Compiles the binary of a family for a memory; throws where synchronous compilation is not allowed. */
export type CompileFamily = <K>(family: KernelFamily<K>, memory: WebAssembly.Memory) => WebAssembly.Module;

/** Compiles the bytes of a binary for a memory; what the platform has compiled is taken as it is. */
export const compileBinary = (binary: Binary, memory: WebAssembly.Memory): WebAssembly.Module =>
  typeof binary === "string" ? new WebAssembly.Module(bytesFor(memory, binary)) : binary;

export const compileFamily: CompileFamily = ({ binary }, memory) => compileBinary(binary!, memory);

/** A core binary over a memory. Families are compiled when they are first used, by `compile`. */
export function instantiated(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  compile: CompileFamily = compileFamily,
  instance = new WebAssembly.Instance(module, { env: { memory } }),
): Instantiated {
  return {
    module,
    kernels: instance.exports as unknown as CoreKernels,
    compile: (family) => compile(family, memory),
    note: isJavaScriptCore() ? "in the form for JavaScriptCore" : undefined,
  };
}

/** The import section of every binary, in hexadecimal: `env.memory`, as it is compiled and as a shared memory needs it. */
export const UNSHARED_IMPORT = "020f0103656e76066d656d6f7279020000";
export const SHARED_IMPORT = "02120103656e76066d656d6f7279020300808004";

/** The bytes of a binary that is carried as a string, fit for this memory and engine. */
export function bytesFor(memory: WebAssembly.Memory, hex: string): Uint8Array<ArrayBuffer> {
  const fitting = isShared(memory) ? hex.replace(UNSHARED_IMPORT, SHARED_IMPORT) : hex;
  return decodeHex(isJavaScriptCore() ? forJavaScriptCore(fitting) : fitting);
}

/** What a runtime may have to decode hexadecimal digits. */
interface Scope {
  readonly Uint8Array: { fromHex?(hex: string): Uint8Array<ArrayBuffer> };
  readonly Buffer?: { from?(hex: string, encoding: "hex"): Uint8Array<ArrayBuffer> };
}

/** The runtime's own decoder takes 0.1 ms for a binary; a loop that runs for the first time takes 2. */
export function decodeHex(hex: string, scope: Scope = globalThis as Scope): Uint8Array<ArrayBuffer> {
  const decoded = scope.Uint8Array.fromHex?.(hex) ?? scope.Buffer?.from?.(hex, "hex");
  if (decoded !== undefined) return decoded;
  const bytes = new Uint8Array(hex.length / 2);
  // 0 to 9 are 0x30 to 0x39, a to f are 0x61 to 0x66.
  const digit = (at: number) => (hex.charCodeAt(at) & 15) + 9 * (hex.charCodeAt(at) >> 6);
  for (let i = 0; i < bytes.length; i++) bytes[i] = 16 * digit(2 * i) + digit(2 * i + 1);
  return bytes;
}

export function isShared(memory: WebAssembly.Memory): boolean {
  return tagOf(memory.buffer) === "[object SharedArrayBuffer]";
}

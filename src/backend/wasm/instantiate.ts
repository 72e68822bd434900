import type { Exercise, Kernels } from "../backend.js";
import type { Instantiated } from "../select.js";

/** Compiles bytes; throws where synchronous compilation is not allowed. */
export type Compile = (bytes: Uint8Array<ArrayBuffer>, exercise: Exercise) => WebAssembly.Module;

export const compile = (bytes: Uint8Array<ArrayBuffer>) => new WebAssembly.Module(bytes);

/** A core binary over a memory. Binaries that are loaded later are compiled by the same means. */
export function instantiated(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  compileBytes: Compile = compile,
  instance = new WebAssembly.Instance(module, { env: { memory } }),
): Instantiated {
  return {
    module,
    kernels: instance.exports as unknown as Kernels,
    compile: (hex, exercise) => compileBytes(bytesFor(memory, hex), exercise),
  };
}

/** The import section of every binary, in hexadecimal: `env.memory`, as it is compiled and as a shared memory needs it. */
export const UNSHARED_IMPORT = "020f0103656e76066d656d6f7279020000";
export const SHARED_IMPORT = "02120103656e76066d656d6f7279020300808004";

/** The bytes of a binary that is carried as a string, fit for this memory. */
export function bytesFor(memory: WebAssembly.Memory, hex: string): Uint8Array<ArrayBuffer> {
  const fitting = isShared(memory) ? hex.replace(UNSHARED_IMPORT, SHARED_IMPORT) : hex;
  const bytes = new Uint8Array(fitting.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(fitting.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export function isShared(memory: WebAssembly.Memory): boolean {
  return Object.prototype.toString.call(memory.buffer) === "[object SharedArrayBuffer]";
}

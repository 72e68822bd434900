import type { CoreKernels } from "../families/core.js";
import type { KernelFamily } from "../family.js";
import type { Instantiated } from "../select.js";

/** Compiles the binary of a family for a memory; throws where synchronous compilation is not allowed. */
export type CompileFamily = <K>(family: KernelFamily<K>, memory: WebAssembly.Memory) => WebAssembly.Module;

/** Compiles bytes where the family brings them; what the platform has compiled is taken as it is. */
export const compileFamily: CompileFamily = ({ binary }, memory) =>
  typeof binary === "string" ? new WebAssembly.Module(bytesFor(memory, binary)) : binary!;

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

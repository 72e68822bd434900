/** `env.memory` as an import, from the lengths of its names on to its limits: no flags, at least 0 pages. */
const UNSHARED = [3, 0x65, 0x6e, 0x76, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 0, 0];
/** Shared, with a maximum: 65,536 pages, what the address space holds. */
const SHARED_LIMITS = [3, 0, 0x80, 0x80, 4];

const IMPORT_SECTION = 2;

/**
 * The same binary, its import of `env.memory` declared as shared: an unshared import does not link with a shared memory.
 * Nothing else differs, so the code and its bits are the same. Throws unless `env.memory` is the only import.
 */
export function withSharedMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let at = 8; // behind magic number and version
  while (at < bytes.length && bytes[at] !== IMPORT_SECTION) at = sectionEnd(bytes, at);
  const length = UNSHARED.length + 1; // and the number of imports
  const isOurs =
    bytes[at + 1] === length && bytes[at + 2] === 1 && UNSHARED.every((byte, i) => bytes[at + 3 + i] === byte);
  if (!isOurs) throw new Error("this Wasm does not import env.memory, unshared, and nothing else");
  const limits = at + 2 + length - 2;
  const shared = new Uint8Array(bytes.length + SHARED_LIMITS.length - 2);
  shared.set(bytes.subarray(0, limits));
  shared[at + 1] = length + SHARED_LIMITS.length - 2;
  shared.set(SHARED_LIMITS, limits);
  shared.set(bytes.subarray(limits + 2), limits + SHARED_LIMITS.length);
  return shared;
}

/** Where the section at `at` ends: an id, the length in LEB128, the content. */
function sectionEnd(bytes: Uint8Array, at: number): number {
  let length = 0;
  let shift = 0;
  let byte: number;
  do {
    byte = bytes[++at]!;
    length |= (byte & 127) << shift;
    shift += 7;
  } while (byte > 127);
  return at + 1 + length;
}

import { expect } from "vitest";
import type { Core, CoreOptions } from "../../src/core.js";
import { createCoreSync } from "../../src/entry/inline.js";

/** The backends that every test of the facade runs on. */
export const backends = ["wasm", "js"] as const;

export function makeCore(backend: "wasm" | "js", options: CoreOptions = {}): Core {
  const core = createCoreSync({ ...options, backend });
  expect(core.backend).toBe(backend);
  return core;
}

/** Every byte of a core's linear memory, to compare before and after. */
export function snapshot(core: Core): Buffer {
  return Buffer.from(new Uint8Array(core.linearMemory.buffer));
}

/** Runs `action`, expects it to throw this error, and expects not one byte of linear memory to have changed. */
export function expectUnchanged(
  core: Core,
  action: () => unknown,
  error: new (...args: never[]) => Error,
  text: RegExp,
): void {
  const before = snapshot(core);
  const { bytesInUse } = core.memory;
  let thrown: unknown;
  try {
    action();
  } catch (caught) {
    thrown = caught;
  }
  expect(thrown).toBeInstanceOf(error);
  expect((thrown as Error).message).toMatch(text);
  expect(Buffer.from(core.linearMemory.buffer as ArrayBuffer, 0, before.length).equals(before)).toBe(true);
  expect(core.memory.bytesInUse).toBe(bytesInUse);
}

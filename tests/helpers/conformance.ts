import { readFileSync } from "node:fs";
import { instantiateSync } from "@assemblyscript/loader";
import { describe, expect, it } from "vitest";
import { AttachedHeap } from "../../src/backend/arena.js";
import type { Exercise, Kernels, LinearMemory, NetworkKernels } from "../../src/backend/backend.js";
import { createJsKernels } from "../../src/backend/js/kernels.js";
import { exp, log } from "../../src/backend/js/math.js";
import { JsMemory } from "../../src/backend/js/memory.js";
import { createJsNetworkKernels } from "../../src/backend/js/nn/kernels.js";
import { startThreads } from "../../src/backend/threads/start.js";
import { bytesFor } from "../../src/backend/wasm/instantiate.js";
import { WasmMemory } from "../../src/backend/wasm/memory.js";
import { compileWide, exerciseCore } from "../../src/backend/wasm/on-demand.js";
import { exerciseNetwork } from "../../src/nn/kernels.js";
import { expectSameBits } from "./bits.js";

/** What the README promises of wide mode. */
export const canWiden = Number.parseInt(process.versions.node, 10) >= 24 && process.arch === "x64";

/** All kernels there are; exp and log stand alone only for the tests of their accuracy. */
export type AllKernels = Kernels &
  NetworkKernels & {
    exp_f32(count: number, xPtr: number, yPtr: number): void;
    log_f32(count: number, xPtr: number, yPtr: number): void;
  };

interface TestBackend {
  memory: LinearMemory;
  kernels: AllKernels;
}

/** Everything that promises the same bits. A backend that cannot start throws, and so fails every test. */
const BACKENDS: Record<string, () => TestBackend> = {
  js() {
    const memory = new JsMemory(65536, 2 ** 32);
    const map = (of: (x: number) => number) => (count: number, xPtr: number, yPtr: number) =>
      new Float32Array(memory.buffer, yPtr, count).set(new Float32Array(memory.buffer, xPtr, count).map(of));
    const elementary = { exp_f32: map(exp), log_f32: map(log) };
    return { memory, kernels: { ...createJsKernels(memory), ...createJsNetworkKernels(memory), ...elementary } };
  },
  simd: () => instantiate(WasmMemory.create(65536, 2 ** 32), "simd", "nn", "elementary"),
  wide: () => instantiateWide("wide", "nn", "elementary"),
  debug: () => instantiate(WasmMemory.create(65536, 2 ** 32), "debug"),
  threads: () => threads,
};

/** What may fuse multiply and add, and so promises an error bound only. */
const RELAXED_BACKENDS: Record<string, () => TestBackend> = {
  relaxed: () => instantiate(WasmMemory.create(65536, 2 ** 32), "relaxed"),
  "relaxed-wide": () => instantiate(WasmMemory.create(65536, 2 ** 32), "relaxed-wide"),
};

function instantiate(memory: WasmMemory, ...binaries: string[]): TestBackend {
  const exports = binaries.map((name) => {
    return instantiateSync(read(name) as BufferSource, { env: { memory: memory.handle } }).instance.exports;
  });
  return { memory, kernels: Object.assign({}, ...exports) as AllKernels };
}

const wideModules = new Map<string, WebAssembly.Module>();

function compileOnce(name: string, memory: WebAssembly.Memory): WebAssembly.Module {
  const bytes = Uint8Array.from(read(name));
  const exercise = EXERCISES[name] ?? (() => {});
  const module = canWiden ? compileWide(bytes, exercise, memory) : new WebAssembly.Module(bytes);
  wideModules.set(name, module);
  return module;
}

const EXERCISES: Record<string, Exercise> = { wide: exerciseCore, nn: exerciseNetwork };

/** Widened where the runtime can; else the binaries of the wide tile with 128 bits, whose bits are to be the same. */
function instantiateWide(...binaries: string[]): TestBackend {
  const memory = WasmMemory.create(65536, 2 ** 32);
  const exports = binaries.map((name) => {
    const module = wideModules.get(name) ?? compileOnce(name, memory.handle);
    return new WebAssembly.Instance(module, { env: { memory: memory.handle } }).exports;
  });
  return { memory, kernels: Object.assign({}, ...exports) as AllKernels };
}

function read(name: string): Buffer {
  return readFileSync(new URL(`../../build/wasm/${name}.wasm`, import.meta.url));
}

/** Three threads that share whatever can be cut. Made once: starting workers takes its time. */
const threads = await startEagerly(3);

async function startEagerly(count: number): Promise<TestBackend> {
  const memory = WasmMemory.create(65536, 2 ** 32, true);
  const imports = { env: { memory: memory.handle } };
  const [core, ...others] = ["simd", "nn", "elementary"].map((name) => {
    return instantiateSync(bytesFor(memory.handle, read(name).toString("hex")), imports);
  });
  const one = core!.instance.exports as unknown as Kernels;
  const table = new AttachedHeap({ allocate: () => 64, free: () => {} }); // below everything that runKernel lays out
  const options = { eager: true };
  const started = await startThreads(count, { kernels: one, memory }, core!.module, memory.handle, table, options);
  expect(started.reason).toBe(`${count} threads`);
  return { memory, kernels: Object.assign({}, ...others.map(({ instance }) => instance.exports), started.kernels) };
}

/** One backend with a memory of its own. */
export function createBackend(name: string): TestBackend {
  return { ...BACKENDS, ...RELAXED_BACKENDS }[name]!();
}

export const backendNames = Object.keys(BACKENDS);
export const relaxedNames = Object.keys(RELAXED_BACKENDS);

/** Operands of one kernel call, by name: the call may write to any of them. */
export type Operands = Record<string, Float32Array | Int32Array>;

/** A call on some backend's kernels, given the address of each operand and, under `scratch`, of its scratch. */
export type KernelCall = (kernels: AllKernels, ptr: Record<string, number>) => unknown;

/** Bytes of scratch that a backend's call needs; what is left in it is not compared. */
export type ScratchBytes = (kernels: AllKernels) => number;

/** What a call left behind. */
export interface Outcome {
  result: unknown;
  operands: Operands;
}

/** The debug binary keeps its assertion messages in the first page. */
const BASE = 65536;
const GUARD_BYTES = 64;
const GUARD_BITS = 0x7fc0dead | 0; // a NaN no kernel produces

/**
 * Lays the operands out in a fresh linear memory, each between bands of NaN and at an address that is a multiple of 4
 * but not of 16, runs `call`, checks that no band was touched, and returns copies of all operands.
 */
export function runKernel(name: string, operands: Operands, call: KernelCall, scratchBytes?: ScratchBytes): Outcome {
  const { memory, kernels } = createBackend(name);
  const scratch = new Uint8Array(scratchBytes?.(kernels) ?? 0);
  const ptr: Record<string, number> = {};
  let end = BASE;
  for (const [key, values] of Object.entries({ ...operands, scratch })) {
    ptr[key] = end + GUARD_BYTES + 4;
    end = ptr[key] + values.byteLength + GUARD_BYTES;
    end = Math.ceil(end / 64) * 64;
  }
  if (!memory.grow(end)) throw new Error(`cannot grow to ${end} bytes`);
  new Int32Array(memory.buffer, BASE).fill(GUARD_BITS);
  const bytes = () => new Uint8Array(memory.buffer);
  for (const [key, values] of Object.entries(operands)) {
    bytes().set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), ptr[key]!);
  }
  const result = call(kernels, ptr);
  const after: Operands = {};
  for (const [key, values] of Object.entries(operands)) {
    const copy = bytes().slice(ptr[key]!, ptr[key]! + values.byteLength);
    after[key] = values instanceof Int32Array ? new Int32Array(copy.buffer) : new Float32Array(copy.buffer);
    new Int32Array(memory.buffer, ptr[key]!, values.length).fill(GUARD_BITS);
  }
  new Int32Array(memory.buffer, ptr["scratch"]!, scratch.byteLength / 4).fill(GUARD_BITS);
  const touched = new Int32Array(memory.buffer, BASE).findIndex((bits) => bits !== GUARD_BITS);
  const address = BASE + touched * 4;
  expect(touched, `${name}: byte ${address} outside every operand was written (${JSON.stringify(ptr)})`).toBe(-1);
  return { result, operands: after };
}

/** Runs one call on every backend, compares all operands and the result bit for bit, and returns the outcome. */
export function conform(what: string, operands: Operands, call: KernelCall, scratchBytes?: ScratchBytes): Outcome {
  const reference = runKernel("js", operands, call, scratchBytes);
  for (const name of backendNames) {
    if (name === "js") continue;
    const outcome = runKernel(name, operands, call, scratchBytes);
    for (const [key, values] of Object.entries(outcome.operands)) {
      const expected = reference.operands[key]!;
      if (values instanceof Int32Array) expect(values, `${what} ${name}: ${key}`).toEqual(expected);
      else expectSameBits(values, expected, `${what} ${name}: ${key}`);
    }
    if (typeof reference.result === "number") {
      expectSameBits([outcome.result as number], [reference.result], `${what} ${name}: result`);
    }
  }
  return reference;
}

/** A describe block whose tests see every backend that exists; there is no way to skip one. */
export function describeConformance(kernel: string, body: () => void): void {
  describe(`conformance: ${kernel}`, () => {
    it("runs on every backend", () => {
      for (const name of backendNames) expect(() => BACKENDS[name]!(), name).not.toThrow();
    });
    body();
  });
}

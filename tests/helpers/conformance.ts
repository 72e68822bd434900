/// <reference types="vite/client" />
import { readFileSync } from "node:fs";
import { instantiateSync } from "@assemblyscript/loader";
import { describe, expect, it } from "vitest";
import { Arena } from "../../src/backend/arena.js";
import type { LinearMemory } from "../../src/backend/backend.js";
import type { ActivationKernels } from "../../src/backend/families/activation.js";
import type { AttentionKernels } from "../../src/backend/families/attention.js";
import type { BinaryCrossEntropyKernels } from "../../src/backend/families/binary-cross-entropy.js";
import type { ConvKernels } from "../../src/backend/families/conv.js";
import { type CoreKernels, coreFamily } from "../../src/backend/families/core.js";
import type { DropoutKernels } from "../../src/backend/families/dropout.js";
import type { EmbeddingKernels } from "../../src/backend/families/embedding.js";
import type { LossKernels } from "../../src/backend/families/loss.js";
import type { NetworkKernels } from "../../src/backend/families/nn.js";
import type { NormKernels } from "../../src/backend/families/norm.js";
import type { PoolKernels } from "../../src/backend/families/pool.js";
import type { RecurrentKernels } from "../../src/backend/families/recurrent.js";
import type { ReduceKernels } from "../../src/backend/families/reduce.js";
import type { RegressionKernels } from "../../src/backend/families/regression.js";
import type { TreeKernels } from "../../src/backend/families/tree.js";
import type { KernelFamily } from "../../src/backend/family.js";
import { exp, log } from "../../src/backend/js/math.js";
import { JsMemory } from "../../src/backend/js/memory.js";
import { Views } from "../../src/backend/js/views.js";
import { startThreads } from "../../src/backend/threads/start.js";
import { binaries as wideFamilies } from "../../src/backend/wasm/binaries/wide-families.js";
import { bytesFor, compileBinary, decodeHex } from "../../src/backend/wasm/instantiate.js";
import { forJavaScriptCore } from "../../src/backend/wasm/javascriptcore.js";
import { compileWideFamily } from "../../src/backend/wasm/lazy.js";
import { WasmMemory } from "../../src/backend/wasm/memory.js";
import { compileWide } from "../../src/backend/wasm/wide/revectorize.js";
import { warmUpCore } from "../../src/backend/wasm/wide/warm-up.js";
import { expectSameBits } from "./bits.js";

/** What the README promises of wide mode. */
export const canWiden = Number.parseInt(process.versions.node, 10) >= 24 && process.arch === "x64";

/** Every family that exists, by its file. */
const modules = import.meta.glob<Record<string, unknown>>("../../src/backend/families/*.ts", { eager: true });
export const families = Object.values(modules)
  .flatMap((module) => Object.values(module))
  .filter((value): value is KernelFamily<object> => typeof (value as KernelFamily<object> | null)?.js === "function");
const added = families.filter((family) => family !== (coreFamily as KernelFamily<object>));

/** All kernels there are; exp and log are exported only for the tests of their accuracy. */
export type AllKernels = CoreKernels &
  NetworkKernels &
  ActivationKernels &
  AttentionKernels &
  BinaryCrossEntropyKernels &
  ConvKernels &
  DropoutKernels &
  EmbeddingKernels &
  LossKernels &
  NormKernels &
  PoolKernels &
  RecurrentKernels &
  ReduceKernels &
  RegressionKernels &
  TreeKernels & {
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
    const views = new Views(memory);
    return { memory, kernels: Object.assign({}, elementary, ...families.map((family) => family.js(views))) };
  },
  simd: () => instantiate(WasmMemory.create(65536, 2 ** 32), "simd", ...added.map(({ name }) => name), "elementary"),
  wide: instantiateWide,
  javascriptcore() {
    const memory = WasmMemory.create(65536, 2 ** 32);
    const exports = ["simd", ...added.map(({ name }) => name), "elementary"].map((name) => {
      const module = once(`${name}, javascriptcore`, () => {
        return new WebAssembly.Module(decodeHex(forJavaScriptCore(read(name).toString("hex"))));
      });
      return new WebAssembly.Instance(module, { env: { memory: memory.handle } }).exports;
    });
    return { memory, kernels: Object.assign({}, ...exports) as AllKernels };
  },
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
    // The loader decodes the messages of the debug binary's assertions.
    return instantiateSync(compileOnce(name), { env: { memory: memory.handle } }).instance.exports;
  });
  return { memory, kernels: Object.assign({}, ...exports) as AllKernels };
}

const compiled = new Map<string, WebAssembly.Module>();

function once(key: string, compile: () => WebAssembly.Module): WebAssembly.Module {
  let module = compiled.get(key);
  if (module === undefined) {
    module = compile();
    compiled.set(key, module);
  }
  return module;
}

function compileOnce(name: string): WebAssembly.Module {
  return once(name, () => new WebAssembly.Module(Uint8Array.from(read(name))));
}

/** Widened where the runtime can; else the binaries of the wide tile with 128 bits, whose bits are to be the same. */
function instantiateWide(): TestBackend {
  const memory = WasmMemory.create(65536, 2 ** 32);
  const { handle } = memory;
  const core = once("core, wide", () => {
    return canWiden ? compileWide(Uint8Array.from(read("wide")), warmUpCore, handle) : compileOnce("wide");
  });
  const others = added.map((family) =>
    once(`${family.name}, wide`, () => {
      const hex = wideFamilies[family.name];
      if (canWiden) return compileWideFamily(family, hex, handle);
      return compileOnce(hex === undefined ? family.name : `${family.name}-wide`);
    }),
  );
  const exports = [core, ...others, compileOnce("elementary")].map((module) => {
    return new WebAssembly.Instance(module, { env: { memory: handle } }).exports;
  });
  return { memory, kernels: Object.assign({}, ...exports) as AllKernels };
}

function read(name: string): Buffer {
  return readFileSync(new URL(`../../build/wasm/${name}.wasm`, import.meta.url));
}

/** Below are the assertion messages of the debug binary, the tables into which threads cut a step, the workers' blocks. */
const BASE = 128 * 65536;

/** Three threads that share whatever can be cut. Made once: starting workers takes its time. */
const threads = await startEagerly(3);

async function startEagerly(count: number): Promise<TestBackend> {
  const memory = WasmMemory.create(65536, 2 ** 32, true);
  const instances = ["simd", ...added.map(({ name }) => name), "elementary"].map((name) => {
    const module = new WebAssembly.Module(bytesFor(memory.handle, read(name).toString("hex")));
    return { module, exports: new WebAssembly.Instance(module, { env: { memory: memory.handle } }).exports };
  });
  const core = instances[0]!;
  const one = core.exports as unknown as CoreKernels;
  // Below everything that runKernel lays out.
  const table = new Arena({ buffer: new ArrayBuffer(BASE), grow: () => false });
  const options = { eager: true };
  const load = <K>({ binary }: KernelFamily<K>) => {
    return { kernels: {} as K, module: compileBinary(binary!, memory.handle) };
  };
  const started = await startThreads(count, { kernels: one, memory, load }, core.module, memory.handle, table, options);
  expect(started.reason).toBe(`${count} threads`);
  const others = added.map((family, i) => {
    const { module, exports } = instances[i + 1]!;
    return started.share(family, exports as object, module);
  });
  return { memory, kernels: Object.assign({}, ...others, instances.at(-1)!.exports, started.kernels) };
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

/**
 * Bytes of scratch that a backend's call needs; what is left in it is not compared, nor an operand `window`, in which
 * kernels work to find this number.
 */
export type ScratchBytes = (kernels: AllKernels, ptr: Record<string, number>) => number;

/** What a call left behind. */
export interface Outcome {
  result: unknown;
  operands: Operands;
}

const GUARD_BYTES = 64;
const GUARD_BITS = 0x7fc0dead | 0; // a NaN no kernel produces

/** A backend whose memory has guard bits from BASE to `end`, and no more than that. */
interface GuardedBackend extends TestBackend {
  end: number;
}

/** Backends that no call is using: to make one takes longer than most calls. */
const idle = new Map<string, GuardedBackend>();

/** Makes the memory long enough, and fills what is new with guard bits. */
function reserve(backend: GuardedBackend, bytes: number): void {
  const { memory, end } = backend;
  if (!memory.grow(bytes)) throw new Error(`cannot grow to ${bytes} bytes`);
  backend.end = memory.buffer.byteLength;
  if (backend.end > end) new Int32Array(memory.buffer, end).fill(GUARD_BITS);
}

let guards = Buffer.alloc(0);

/** The first element from BASE on that has no guard bits; −1 if all have. */
function firstTouched({ buffer }: LinearMemory): number {
  const bytes = Buffer.from(buffer as ArrayBuffer, BASE);
  if (bytes.length > guards.length) guards = Buffer.from(new Int32Array(bytes.length / 4).fill(GUARD_BITS).buffer);
  if (bytes.equals(guards.subarray(0, bytes.length))) return -1;
  return new Int32Array(buffer, BASE).findIndex((bits) => bits !== GUARD_BITS);
}

/**
 * Lays the operands out in a linear memory full of NaN, each at an address that is a multiple of 4 but not of 16, runs
 * `call`, checks that nothing outside of them was touched, and returns copies of all operands.
 */
export function runKernel(name: string, operands: Operands, call: KernelCall, scratchBytes?: ScratchBytes): Outcome {
  const backend = idle.get(name) ?? { ...createBackend(name), end: BASE };
  // Back only after a call that has left nothing: the memory of one that fails is lost.
  idle.delete(name);
  const { memory, kernels } = backend;
  const ptr: Record<string, number> = {};
  let end = BASE;
  /** An address for this number of bytes, and room for guard bands around them. */
  const place = (byteLength: number) => {
    const at = end + GUARD_BYTES + 4;
    end = Math.ceil((at + byteLength + GUARD_BYTES) / 64) * 64;
    reserve(backend, end);
    return at;
  };
  for (const [key, values] of Object.entries(operands)) {
    ptr[key] = place(values.byteLength);
    const bytes = new Uint8Array(memory.buffer, ptr[key], values.byteLength);
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  const scratch = new Uint8Array(scratchBytes?.(kernels, ptr) ?? 0);
  ptr["scratch"] = place(scratch.byteLength);
  const result = call(kernels, ptr);
  const after: Operands = {};
  for (const [key, values] of Object.entries(operands)) {
    const copy = new Uint8Array(memory.buffer, ptr[key], values.byteLength).slice();
    if (key !== "window")
      after[key] = values instanceof Int32Array ? new Int32Array(copy.buffer) : new Float32Array(copy.buffer);
    new Int32Array(memory.buffer, ptr[key]!, values.length).fill(GUARD_BITS);
  }
  new Int32Array(memory.buffer, ptr["scratch"]!, scratch.byteLength / 4).fill(GUARD_BITS);
  const touched = firstTouched(memory);
  const address = BASE + touched * 4;
  expect(touched, `${name}: byte ${address} outside every operand was written (${JSON.stringify(ptr)})`).toBe(-1);
  idle.set(name, backend);
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

import { readdirSync, readFileSync } from "node:fs";
import binaryen from "binaryen";
import type { WorkerMessage } from "../../src/backend/threads/messages.js";
import { type Spawn, spawnWorker } from "../../src/backend/threads/spawn.js";
import { bytesFor } from "../../src/backend/wasm/instantiate.js";
import type { Core, CoreOptions } from "../../src/core.js";
import { eagerCore } from "./eager-core.js";

/** What a kernel does in a worker after it has computed, and overwritten the first number of its result. */
export type Spoilt = "spins" | "traps";

const FOLDER = new URL("../../build/wasm/", import.meta.url);
/** Those of other instruction sets or widths, and those for other tests. */
const OTHERS = /^(debug|elementary|relaxed.*|.*wide)\./;
const NAN = 0x7fc00000;

/** The binary with these exports, for shared memory. */
function binaryWith(exports: readonly string[]): Uint8Array<ArrayBuffer> {
  const shared = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".wasm"))) {
    if (OTHERS.test(file)) continue;
    const bytes = readFileSync(new URL(file, FOLDER));
    const names = new Set(WebAssembly.Module.exports(new WebAssembly.Module(bytes)).map(({ name }) => name));
    if (exports.every((name) => names.has(name))) return bytesFor(shared, bytes.toString("hex"));
  }
  throw new Error(`no binary exports ${exports}`);
}

/** Where the result of a kernel begins, for those that the tests look at. */
function resultOf(module: binaryen.Module, kernel: string): number | undefined {
  const word = (index: number) => module.i32.load(index * 4, 4, module.local.get(0, binaryen.i32));
  if (kernel === "gemm_f32") return module.local.get(14, binaryen.i32);
  if (kernel === "accumulate_f32") return word(8); // SEGMENT_ACCUMULATOR
  return /^(sgd|adam|rmsprop|muon|adafactor|lion|nadam)_f32$/.test(kernel) ? word(0) : undefined;
}

/**
 * A binary whose exports `spoils` do what they should, but for call number `claim` of them all: that one computes, writes
 * NaN over the beginning of its result, and then does not return.
 */
function spoiltModule(kernels: readonly string[], spoils: readonly string[], spoilt: Spoilt, claim: number) {
  const module = binaryen.readBinary(binaryWith(kernels));
  module.setFeatures(binaryen.Features.All);
  module.addGlobal("calls", binaryen.i32, true, module.i32.const(0));
  const calls = () => module.global.get("calls", binaryen.i32);
  for (const kernel of spoils) {
    const original = binaryen.getExportInfo(module.getExport(kernel)).value;
    const { params, results } = binaryen.getFunctionInfo(module.getFunction(original));
    const args = () => binaryen.expandType(params).map((type, i) => module.local.get(i, type));
    const call = () => module.call(original, args(), results);
    const result = resultOf(module, kernel);
    const fault = module.block(null, [
      results === binaryen.none ? call() : module.drop(call()),
      ...(result === undefined ? [] : [module.i32.store(0, 4, result, module.i32.const(NAN))]),
      spoilt === "spins" ? module.loop("forever", module.br("forever")) : module.unreachable(),
    ]);
    const count = module.global.set("calls", module.i32.add(calls(), module.i32.const(1)));
    const isIt = module.i32.eq(calls(), module.i32.const(claim));
    const body = module.block(null, [module.if(isIt, fault), count, call()], results);
    module.addFunction(`spoilt ${kernel}`, params, results, [], body);
    module.removeExport(kernel);
    module.addFunctionExport(`spoilt ${kernel}`, kernel);
  }
  if (!module.validate()) throw new Error("the spoilt binary is not valid");
  const bytes = Uint8Array.from(module.emitBinary());
  module.dispose();
  return new WebAssembly.Module(bytes);
}

/**
 * The binary of kernels in pieces, which fails at turn number `moment` of all its loops: in a kernel, while it copies, or
 * between two pieces.
 */
function spoiltPieces(spoilt: Spoilt, moment: number): WebAssembly.Module {
  const original = binaryen.readBinary(binaryWith(["copy_piece"]));
  const end = spoilt === "spins" ? "(loop $forever (br $forever))" : "(unreachable)";
  const counter = `(global $turns (mut i32) (i32.const 0))
    (func $turn
      (if (i32.eq (global.get $turns) (i32.const ${moment})) (then ${end}))
      (global.set $turns (i32.add (global.get $turns) (i32.const 1))))`;
  const text = original.emitText().replace(/\(loop (\$\S+)/g, "$& (call $turn)");
  const module = binaryen.parseText(text.replace(/\)\s*$/, `${counter})`));
  module.setFeatures(binaryen.Features.All);
  if (!module.validate()) throw new Error("the spoilt pieces are not valid");
  const bytes = Uint8Array.from(module.emitBinary());
  original.dispose();
  module.dispose();
  return new WebAssembly.Module(bytes);
}

function eagerCoreWith(spoil: (message: WorkerMessage) => WorkerMessage, options: CoreOptions): Promise<Core> {
  const spawn: Spawn = (listener) => {
    const worker = spawnWorker(listener);
    return { ...worker, post: (message) => worker.post(spoil(message)) };
  };
  return eagerCore({ ...options, threads: 2 }, { spawn, patienceMilliseconds: 50 });
}

/** A core on two threads that shares whatever can be cut, and whose worker fails inside these kernels, in call `claim`. */
export function coreWithSpoiltWorker(
  spoilt: Spoilt,
  spoils: (kernel: string) => boolean,
  claim: number,
  options: CoreOptions = {},
): Promise<Core> {
  return eagerCoreWith((message) => {
    const spoiled = message.kernels.filter(spoils);
    const module = spoiled.length === 0 ? message.module : spoiltModule(message.kernels, spoiled, spoilt, claim);
    const { greeting } = message;
    const pieces = greeting?.pieces;
    return pieces && WebAssembly.Module.exports(pieces).some(({ name }) => spoils(name))
      ? { ...message, module, greeting: { ...greeting, pieces: spoiltPieces(spoilt, claim) } }
      : { ...message, module };
  }, options);
}

/** The same, but the worker stalls after it has copied its results back. */
export function coreWithStuckWorker(copies: string, claim: number): Promise<Core> {
  return eagerCoreWith((message) => {
    if (message.greeting === undefined) return message;
    const exports = ["copy_blocks", "copy_table", "copy_table_back"];
    return {
      ...message,
      greeting: { ...message.greeting, copies: spoiltModule(exports, [copies], "spins", claim) },
    };
  }, {});
}

import { builtinModule } from "../../builtin.js";
import { isShared } from "../instantiate.js";
import { fill, PAGES } from "./warm-up-steps.js";

/** Runs every kernel of a binary, over a memory of half a megabyte of its own. */
export type WarmUp = (exports: WebAssembly.Exports, memory: WebAssembly.Memory) => void;

// V8's revectorizer: an experimental pass that turns two neighboring 128-bit operations into one of 256 bits. It is part
// of the optimizing compiler, which takes a function over from the baseline compiler once it has run for a while. So the
// flag is set, the kernels run until that has happened, and the flag is set back. Another flag lets the optimizing
// compiler do its work at once instead of later in another thread. docs/decisions/0009-wide.md says what else was tried.

const REVECTORIZE = ["--experimental-wasm-revectorize", "--no-experimental-wasm-revectorize"] as const;
export const AT_ONCE = ["--wasm-sync-tier-up", "--no-wasm-sync-tier-up"] as const;

/** The first V8 of Node 24; in older ones the pass is not finished, and six rows of a tile do not fit the registers. */
export const FIRST_V8 = 13;

/** Custom sections, so that V8 does not take a module from its cache, which goes by bytes, compiled in another way. */
export const MARKS = { wide: [0, 5, 4, 0x77, 0x69, 0x64, 0x65], narrow: [0, 7, 6, 0x6e, 0x61, 0x72, 0x72, 0x6f, 0x77] };

/** Rounds after which every kernel has been optimized, three times over. */
const ROUNDS = 128;

interface NodeProcess {
  readonly arch?: string;
  readonly versions?: { readonly v8?: string };
  readonly execArgv?: readonly string[];
  readonly env?: { readonly NODE_OPTIONS?: string };
}

/** The engine's major version if it is V8 and says so, else +∞: nothing is known against it. */
export function v8Version(): number {
  return Number.parseInt(nodeProcess()?.versions?.v8 ?? "Infinity", 10) || Number.POSITIVE_INFINITY;
}

function nodeProcess(): NodeProcess | undefined {
  return (globalThis as { process?: NodeProcess }).process;
}

/**
 * Compiles for 256 bits what `run` runs; throws where that cannot be asked for.
 *
 * @param memory says whether the module imports a shared one; not touched
 */
export function compileWide(bytes: Uint8Array, run: WarmUp, memory: WebAssembly.Memory): WebAssembly.Module {
  return compileBy([REVECTORIZE, AT_ONCE], bytes, MARKS.wide, run, memory);
}

export function compileBy(
  flags: readonly (readonly [string, string])[],
  bytes: Uint8Array,
  mark: readonly number[],
  run: WarmUp,
  memory: WebAssembly.Memory,
): WebAssembly.Module {
  const setFlag = flagSetter();
  const marked = new Uint8Array(bytes.length + mark.length);
  marked.set(bytes);
  marked.set(mark, bytes.length);
  const module = new WebAssembly.Module(marked);
  const { exports, memory: own } = sideOf(module, memory);
  for (const [on] of flags) setFlag(on);
  try {
    for (let round = 0; round < ROUNDS; round++) run(exports, own);
  } finally {
    for (const [, off] of flags) setFlag(off);
  }
  return module;
}

function flagSetter(): (flag: string) => void {
  const process = nodeProcess();
  const v8 = builtinModule<{ setFlagsFromString?(flag: string): void }>("node:v8");
  // Bun and Deno offer the function too; there it does nothing, or is not about this V8.
  const isNode = !("Deno" in globalThis) && !("Bun" in globalThis);
  if (!isNode || v8Version() < FIRST_V8 || process?.arch !== "x64" || v8?.setFlagsFromString === undefined) {
    throw new Error("V8 widens in Node 24 and later on x64 only");
  }
  const { setFlagsFromString } = v8;
  // Who started the process with one of the flags keeps it.
  const given = `${process.execArgv?.join(" ")} ${process.env?.NODE_OPTIONS}`.replaceAll("_", "-");
  return (flag) => {
    if (!flag.startsWith("--no-") || !given.includes(flag.slice(5))) setFlagsFromString(flag);
  };
}

/** A module over a memory of its own, for trying it. */
export interface Side {
  readonly exports: WebAssembly.Exports;
  readonly memory: WebAssembly.Memory;
}

export function sideOf(module: WebAssembly.Module, like: WebAssembly.Memory): Side {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: isShared(like) });
  fill(memory);
  return { exports: new WebAssembly.Instance(module, { env: { memory } }).exports, memory };
}

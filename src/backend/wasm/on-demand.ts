import { ACTIVATION, type Kernels } from "../backend.js";
import { GROUP, SEGMENT_BYTES } from "../segments.js";
import type { Instantiated, WasmVariant } from "../select.js";
import { bytesFor, instantiated, isShared } from "./instantiate.js";

const BINARIES = {
  relaxed: () => import("./binaries/relaxed.js"),
  wide: () => import("./binaries/wide.js"),
  "relaxed-wide": () => import("./binaries/relaxed-wide.js"),
};

/** The binaries that are modules of their own. `simd`: the one that they must be better than. */
export async function instantiateOnDemand(
  variant: Exclude<WasmVariant, "simd">,
  memory: WebAssembly.Memory,
  simd: string,
): Promise<Instantiated> {
  if (variant === "relaxed" && v8Version() < FIRST_V8) {
    throw new Error("its kernels are slower than simd in this V8");
  }
  const bytes = bytesFor(memory, (await BINARIES[variant]()).hex);
  if (variant === "relaxed") return instantiated(await WebAssembly.compile(bytes), memory);
  const module = compileWide(bytes);
  const gain = proveWide(module, bytesFor(memory, simd), memory);
  return { ...instantiated(module, memory, compileWide), note: `${gain.toFixed(1)} × the 128-bit kernels` };
}

// V8's revectorizer: an experimental pass that turns two neighbouring 128-bit operations into one of 256 bits. It lives
// in the optimizing compiler alone, and its flags are read when a module is compiled. So they are set around one
// synchronous compilation that leaves nothing for later, and set back. docs/decisions/0009-wide.md says what was tried.

/** What V8 has to be told, and how to take it back. */
const FLAGS = [
  ["--experimental-wasm-revectorize", "--no-experimental-wasm-revectorize"],
  ["--no-liftoff", "--liftoff"],
  ["--no-wasm-lazy-compilation", "--wasm-lazy-compilation"],
  // Inlining wants the feedback of the baseline compiler, which does not run: Node 26 ends the process.
  ["--no-wasm-inlining", "--wasm-inlining"],
] as const;

/** The first V8 of Node 24; in older ones the pass is not finished, and six rows of a tile do not fit the registers. */
const FIRST_V8 = 13;

/** A custom section, so that V8 does not take the module from its cache, compiled without the flags. */
const MARKS = { wide: [0, 5, 4, 0x77, 0x69, 0x64, 0x65], eager: [0, 6, 5, 0x65, 0x61, 0x67, 0x65, 0x72] };

interface NodeProcess {
  readonly arch?: string;
  readonly versions?: { readonly v8?: string };
  readonly execArgv?: readonly string[];
  getBuiltinModule?(name: "node:v8"): { setFlagsFromString?(flag: string): void } | undefined;
}

/** The engine's major version if it is V8 and says so, else +∞: nothing is known against it. */
function v8Version(): number {
  return Number.parseInt(nodeProcess()?.versions?.v8 ?? "Infinity", 10) || Number.POSITIVE_INFINITY;
}

function nodeProcess(): NodeProcess | undefined {
  return (globalThis as { process?: NodeProcess }).process;
}

/** Compiles for 256 bits; throws where that cannot be asked for. */
export function compileWide(bytes: Uint8Array): WebAssembly.Module {
  return compileWith(FLAGS, bytes, MARKS.wide);
}

function compileWith(
  flags: readonly (readonly [string, string])[],
  bytes: Uint8Array,
  mark: readonly number[],
): WebAssembly.Module {
  const setFlag = flagSetter();
  const marked = new Uint8Array(bytes.length + mark.length);
  marked.set(bytes);
  marked.set(mark, bytes.length);
  for (const [on] of flags) setFlag(on);
  try {
    return new WebAssembly.Module(marked);
  } finally {
    for (const [, off] of flags) setFlag(off);
  }
}

function flagSetter(): (flag: string) => void {
  const process = nodeProcess();
  const v8 = process?.getBuiltinModule?.("node:v8");
  // Bun and Deno offer the function too; there it does nothing, or is not about this V8.
  const isNode = !("Deno" in globalThis) && !("Bun" in globalThis);
  if (!isNode || v8Version() < FIRST_V8 || process?.arch !== "x64" || v8?.setFlagsFromString === undefined) {
    throw new Error("V8 widens in Node 24 and later on x64 only");
  }
  const { setFlagsFromString } = v8;
  const given = process.execArgv ?? [];
  // A flag that the process was started with is not taken back.
  return (flag) => {
    if (!FLAGS.some(([on, off]) => flag === off && given.includes(on))) setFlagsFromString(flag);
  };
}

/** The least gain that counts: what is measured below is steady to a few percent. */
const LEAST_GAIN = 1.15;
const ROUNDS = 40;

/**
 * Runs the widened module beside the 128-bit one, over a memory of their own: the same bits or it throws, and faster or it
 * throws. Returns how much faster. Relaxed modules may differ in the last bits: they are measured alone.
 *
 * @param narrowBytes the 128-bit binary; compiled by the same compiler, so that only the width differs
 * @param memory says whether the modules import a shared one; not touched
 */
export function proveWide(wide: WebAssembly.Module, narrowBytes: Uint8Array, memory: WebAssembly.Memory): number {
  const narrow = compileWith(FLAGS.slice(1), narrowBytes, MARKS.eager);
  const sides = [wide, narrow].map((module) => {
    const own = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: isShared(memory) });
    const kernels = new WebAssembly.Instance(module, { env: { memory: own } }).exports as unknown as Kernels;
    return { kernels, memory: own, milliseconds: Number.POSITIVE_INFINITY };
  }) as [Side, Side];
  const isRelaxed = (kernels: Kernels) => (kernels as unknown as { is_relaxed(): number }).is_relaxed() !== 0;
  for (const side of sides) fill(side);
  if (!isRelaxed(sides[0].kernels)) {
    for (const { kernels } of sides) exercise(kernels);
    const [a, b] = sides.map((side) => new Int32Array(side.memory.buffer, 0, WORDS));
    if (a!.some((bits, i) => bits !== b![i])) throw new Error("its bits differ from the 128-bit kernels'");
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of sides) {
      const start = performance.now();
      product(side.kernels, SIZE, SIZE, SIZE, 0, 0);
      side.milliseconds = Math.min(side.milliseconds, performance.now() - start);
    }
  }
  const gain = sides[1].milliseconds / sides[0].milliseconds;
  if (!(gain >= LEAST_GAIN)) throw new Error(`it ran at ${gain.toFixed(2)} × the speed of the 128-bit kernels`);
  return gain;
}

interface Side {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  milliseconds: number;
}

// The memory of the test, in bytes: a table, the operands of products, their scratch.
const SIZE = 64;
const TABLE = 64;
const A = 1024;
const B = A + 4 * SIZE * SIZE;
const C = B + 4 * SIZE * SIZE;
const SCRATCH = C + 4 * SIZE * SIZE;
/** What is compared: all but the scratch, which holds panels of either tile. */
const WORDS = SCRATCH / 4;

/** Numbers of mixed sign, none of them short. */
function fill({ memory }: Side): void {
  const values = new Float32Array(memory.buffer, A, (SCRATCH - A) / 4);
  for (let i = 0; i < values.length; i++) values[i] = Math.fround((((i * 7919) % 10007) - 5003) / 1009);
  const words = new Uint32Array(memory.buffer);
  const floats = new Float32Array(memory.buffer);
  const group = (TABLE + SEGMENT_BYTES) / 4;
  words.set([B, A, SIZE * SIZE - 3, TABLE + SEGMENT_BYTES, C], TABLE / 4);
  const { learningRate, decay, decayComplement, epsInside } = GROUP;
  for (const [word, value] of [
    [learningRate, 0.01],
    [decay, 0.9],
    [decayComplement, 0.1],
    [epsInside, 30],
  ] as const) {
    floats[group + word] = value;
  }
}

/** One of everything: whole tiles, the ends of rows and columns, transposes, one row, and a step. */
function exercise(kernels: Kernels): void {
  for (const transpose of [0, 1]) {
    product(kernels, SIZE, SIZE, SIZE, transpose, 0);
    product(kernels, 37, 45, 51, 0, transpose);
    product(kernels, 1, 61, 33, 0, transpose);
  }
  kernels.rmsprop_f32(TABLE, 1, 0);
}

function product(kernels: Kernels, m: number, n: number, k: number, transposeA: number, transposeB: number): void {
  const [lda, ldb] = [transposeA ? m : k, transposeB ? k : n];
  // biome-ignore format: operand by operand
  kernels.gemm_f32(
    1, m, n, k, 1, A, 0, lda, transposeA, B, 0, ldb, transposeB, 0, C, 0, n, 0, ACTIVATION.identity, SCRATCH,
  );
}

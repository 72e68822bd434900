import { ACTIVATION, type Exercise, type Kernels } from "../backend.js";
import { builtinModule } from "../builtin.js";
import {
  GROUP,
  MODE_BIAS_CORRECTION,
  MODE_CENTERED,
  MODE_EPS_OUTSIDE,
  MODE_MEAN_LERP,
  MODE_MOMENTUM,
  MODE_NESTEROV,
  MODE_RATE_LAST,
  MODE_RECIPROCAL,
  MODE_RESCALE,
  MODE_SQUARE_LERP,
  MODE_SQUARE_PRODUCT,
  SEGMENT_ACCUMULATOR,
  SEGMENT_BYTES,
  SEGMENT_CORRECTION_0,
  SEGMENT_STATE,
} from "../segments.js";
import type { Instantiated, WasmVariant } from "../select.js";
import { bytesFor, instantiated, isShared } from "./instantiate.js";

const BINARIES = {
  relaxed: () => import("./binaries/relaxed.js"),
  wide: () => import("./binaries/wide.js"),
  "relaxed-wide": () => import("./binaries/relaxed-wide.js"),
};

/** Wide modules that have passed: once is enough for a process. */
const proven = new Map<string, { module: WebAssembly.Module; gain: number }>();

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
  const key = `${variant} ${isShared(memory)}`;
  let wide = proven.get(key);
  if (wide === undefined) {
    const module = compileWide(bytes, exerciseCore, memory);
    wide = { module, gain: proveWide(module, bytesFor(memory, simd), memory) };
    proven.set(key, wide);
  }
  const { module, gain } = wide;
  const compileOther = (other: Uint8Array, run: Exercise) => compileWide(other, run, memory);
  return { ...instantiated(module, memory, compileOther), note: `${gain.toFixed(1)} × the 128-bit kernels` };
}

// V8's revectorizer: an experimental pass that turns two neighbouring 128-bit operations into one of 256 bits. It is part
// of the optimizing compiler, which takes a function over from the baseline compiler once it has run for a while. So the
// flag is set, the kernels run until that has happened, and the flag is set back. Another flag lets the optimizing
// compiler do its work at once instead of later in another thread. docs/decisions/0009-wide.md says what else was tried.

const REVECTORIZE = ["--experimental-wasm-revectorize", "--no-experimental-wasm-revectorize"] as const;
const AT_ONCE = ["--wasm-sync-tier-up", "--no-wasm-sync-tier-up"] as const;

/** The first V8 of Node 24; in older ones the pass is not finished, and six rows of a tile do not fit the registers. */
const FIRST_V8 = 13;

/** Custom sections, so that V8 does not take a module from its cache, which goes by bytes, compiled in another way. */
const MARKS = { wide: [0, 5, 4, 0x77, 0x69, 0x64, 0x65], narrow: [0, 7, 6, 0x6e, 0x61, 0x72, 0x72, 0x6f, 0x77] };

/** Rounds after which every kernel has been optimized, three times over. */
const ROUNDS = 128;

interface NodeProcess {
  readonly arch?: string;
  readonly versions?: { readonly v8?: string };
  readonly execArgv?: readonly string[];
  readonly env?: { readonly NODE_OPTIONS?: string };
}

/** The engine's major version if it is V8 and says so, else +∞: nothing is known against it. */
function v8Version(): number {
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
export function compileWide(bytes: Uint8Array, run: Exercise, memory: WebAssembly.Memory): WebAssembly.Module {
  return compileBy([REVECTORIZE, AT_ONCE], bytes, MARKS.wide, run, memory);
}

function compileBy(
  flags: readonly (readonly [string, string])[],
  bytes: Uint8Array,
  mark: readonly number[],
  run: Exercise,
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
interface Side {
  readonly exports: WebAssembly.Exports;
  readonly memory: WebAssembly.Memory;
}

function sideOf(module: WebAssembly.Module, like: WebAssembly.Memory): Side {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: isShared(like) });
  fill(memory);
  return { exports: new WebAssembly.Instance(module, { env: { memory } }).exports, memory };
}

/** The least gain that counts: what is measured below is steady to a few percent. */
const LEAST_GAIN = 1.15;
const SAMPLES = 40;
const SIZE = 64;

/**
 * Runs the widened module beside the 128-bit one: the same bits or it throws, and faster or it throws. Returns how much
 * faster. Relaxed modules may differ in the last bits: they are measured alone.
 *
 * @param narrowBytes the 128-bit binary; optimized by the same compiler, so that only the width differs
 * @param memory says whether the modules import a shared one; not touched
 */
export function proveWide(wide: WebAssembly.Module, narrowBytes: Uint8Array, memory: WebAssembly.Memory): number {
  const narrow = compileBy([AT_ONCE], narrowBytes, MARKS.narrow, exerciseCore, memory);
  const sides = [sideOf(wide, memory), sideOf(narrow, memory)] as const;
  if (!(sides[0].exports as { is_relaxed: () => number }).is_relaxed()) {
    for (const side of sides) exerciseCore(side.exports, side.memory);
    const [a, b] = sides.map((side) => new Int32Array(side.memory.buffer, 0, SCRATCH / 4));
    if (a!.some((bits, i) => bits !== b![i])) throw new Error("its bits differ from the 128-bit kernels'");
  }
  const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY] as [number, number];
  for (let sample = 0; sample < SAMPLES; sample++) {
    for (const [i, { exports }] of sides.entries()) {
      const start = performance.now();
      product(exports as unknown as Kernels, SIZE, 2 * SIZE, SIZE);
      best[i] = Math.min(best[i]!, performance.now() - start);
    }
  }
  const gain = best[1] / best[0];
  if (!(gain >= LEAST_GAIN)) throw new Error(`it ran at ${gain.toFixed(2)} × the speed of the 128-bit kernels`);
  return gain;
}

// The memory of a side, in bytes: three tables of one row and their group, regions for operands and state, scratch.
const REGION = 32768;
const PAGES = 8;
const RMSPROP = 64;
const SGD = RMSPROP + SEGMENT_BYTES;
const ADAM = SGD + SEGMENT_BYTES;
const MEAN = ADAM + SEGMENT_BYTES;
const GROUP_AT = MEAN + SEGMENT_BYTES;
const A = 1024;
const B = A + REGION;
const C = B + REGION;
const P = C + REGION;
const S0 = P + REGION;
const S1 = S0 + REGION;
const S2 = S1 + REGION;
const S3 = S2 + REGION;
const AVERAGE = S3 + REGION;
const ACCUMULATOR = AVERAGE + REGION;
const SCRATCH = ACCUMULATOR + REGION;
const COUNT = 4093;

/** Numbers of mixed sign, none of them short, and tables whose steps stay finite however often they are made. */
export function fill({ buffer }: WebAssembly.Memory): void {
  const values = new Float32Array(buffer, A, (SCRATCH - A) / 4);
  for (let i = 0; i < values.length; i++) values[i] = Math.fround((((i * 7919) % 10007) - 5003) / 1009);
  const squares = new Float32Array(buffer, S0, COUNT);
  for (let i = 0; i < COUNT; i++) squares[i]! *= squares[i]!;
  const words = new Uint32Array(buffer);
  const floats = new Float32Array(buffer);
  words.set([P, A, COUNT, GROUP_AT, S0, S1, S2, AVERAGE], RMSPROP / 4);
  words.set([P, A, COUNT, GROUP_AT, S3], SGD / 4);
  words.set([P, A, COUNT, GROUP_AT, S0, S1], ADAM / 4);
  words.set([P, ACCUMULATOR, COUNT], MEAN / 4);
  for (const row of [RMSPROP, SGD, ADAM, MEAN]) {
    floats.set([1, 1, 1, 0.5, 0.5], row / 4 + SEGMENT_CORRECTION_0);
    words[row / 4 + SEGMENT_ACCUMULATOR] = ACCUMULATOR;
  }
  const scalars = {
    learningRate: 0.01,
    clipValue: 3,
    decay: 0.9,
    decayComplement: 0.1,
    epsInside: 30,
    epsOutside: 0.5,
    momentum: 0.9,
    meanDecay: 0.9,
    meanDecayComplement: 0.1,
    rateAfter: 0.5,
    rateLast: 0.5,
  };
  for (const [name, value] of Object.entries(scalars)) {
    floats[GROUP_AT / 4 + GROUP[name as keyof typeof GROUP]] = value;
  }
}

const MODES = [
  0,
  MODE_MOMENTUM | MODE_NESTEROV | MODE_EPS_OUTSIDE,
  MODE_CENTERED | MODE_BIAS_CORRECTION,
  MODE_CENTERED | MODE_MOMENTUM | MODE_RESCALE,
  MODE_SQUARE_PRODUCT | MODE_EPS_OUTSIDE,
  MODE_SQUARE_LERP | MODE_MOMENTUM | MODE_RATE_LAST,
  MODE_SQUARE_PRODUCT | MODE_CENTERED | MODE_MEAN_LERP | MODE_EPS_OUTSIDE,
  MODE_RECIPROCAL | MODE_CENTERED | MODE_MOMENTUM | MODE_BIAS_CORRECTION,
];

/** Everything in a core binary: each path of products with whole tiles and ends of rows and columns, and each step. */
export function exerciseCore(exports: WebAssembly.Exports, { buffer }: WebAssembly.Memory): void {
  const kernels = exports as unknown as Kernels;
  const { identity, relu, tanh, sigmoid } = ACTIVATION;
  product(kernels, SIZE, 2 * SIZE, SIZE); // packed
  product(kernels, SIZE, SIZE, SIZE);
  product(kernels, 37, 45, 51, 1, 0, 0, relu);
  product(kernels, 37, 45, 51, 0, 1, 0.5, identity);
  product(kernels, 24, 256, 16);
  product(kernels, 27, 259, 15, 1, 1, 0, tanh);
  product(kernels, SIZE, 12, SIZE);
  product(kernels, SIZE, 4, SIZE);
  product(kernels, 1, 253, 31, 0, 0, 0, sigmoid);
  product(kernels, 253, 1, 31, 0, 0, 0, relu);
  const words = new Uint32Array(buffer);
  for (const mode of MODES) {
    words[GROUP_AT / 4 + GROUP.mode] = mode;
    kernels.rmsprop_f32(RMSPROP, 1, 1);
    kernels.sgd_f32(SGD, 1, 0);
    kernels.adam_f32(ADAM, 1, 0);
    words[ADAM / 4 + SEGMENT_STATE + 2] = mode & MODE_CENTERED ? S2 : 0;
    kernels.accumulate_f32(RMSPROP, 1, 0);
    kernels.accumulate_f32(RMSPROP, 1, 2);
    kernels.accumulate_f32(MEAN, 1, 2);
  }
}

function product(
  kernels: Kernels,
  m: number,
  n: number,
  k: number,
  transposeA = 0,
  transposeB = 0,
  beta = 0,
  activation: number = ACTIVATION.identity,
): void {
  const [lda, ldb] = [transposeA ? m : k, transposeB ? k : n];
  // biome-ignore format: operand by operand
  kernels.gemm_f32(
    1, m, n, k, 1, A, 0, lda, transposeA, B, 0, ldb, transposeB, beta, C, 0, n, P, activation, SCRATCH,
  );
}

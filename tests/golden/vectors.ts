import { readFileSync } from "node:fs";

/** A parameter of every run: its name. */
export type ParameterName = "a" | "b";

/** Values of one array after each step; null as long as the framework has no such array. */
export type Trace = readonly (Float32Array | null)[];

/** One run of an optimizer of a framework. */
export interface GoldenCase {
  name: string;
  /** The framework's class or operation. */
  optimizer: string;
  dialect: string;
  /** What differs from the defaults, in the framework's words and in Lanewise's. */
  frameworkOptions: Readonly<Record<string, unknown>>;
  options: Readonly<Record<string, unknown>>;
  /** Lanewise options of single parameters, where they differ from `options`. */
  parameterOptions: Readonly<Partial<Record<ParameterName, Record<string, unknown>>>>;
  /** Lanewise options that are changed before a step, counted from 1. */
  changes: Readonly<Record<string, Record<string, unknown>>>;
  /** The learning rate of each step, if it changes. */
  learningRates: readonly number[] | undefined;
  /** Framework options that Lanewise has no word for. */
  frameworkOnly: readonly string[];
  /** The gradient of a step, counted from 0; null where it is missing. */
  gradient(name: ParameterName, step: number): Float32Array | null;
  steps: number;
  /** The arrays of a parameter by name: `parameter`, and the state under Lanewise's names. */
  arrays: Readonly<Record<ParameterName, Record<string, Trace>>>;
  checkpoint: { step: number; entries: readonly CheckpointEntry[] } | undefined;
}

/** A part of a framework's own saved state: an array, or an option (`value`). */
export interface CheckpointEntry {
  name: string;
  dtype?: string;
  shape?: readonly number[];
  data?: Float32Array | readonly number[];
  value?: unknown;
}

/** The runs of one framework. */
export interface GoldenFile {
  framework: string;
  version: string;
  environment: string;
  /** Which of the framework's state arrays is which of Lanewise's. */
  states: Readonly<Record<string, string>>;
  /** The machine that made it took subnormal numbers for zero: runs over the gradients called "tiny" show it. */
  flushesSubnormals: boolean;
  /** Made with the framework's own inexact roots: not to be matched bit for bit. */
  approximate: boolean;
  cases: readonly GoldenCase[];
}

/** The parameters that every run starts from. */
export function startParameters(): Record<ParameterName, Float32Array> {
  const { a, b } = sharedData().parameters;
  return { a: fromHex(a), b: fromHex(b) };
}

/** Reads one file of `vectors/`, `name` without its extension. */
export function readGolden(name: string): GoldenFile {
  const { cases, ...about } = readJson(name) as RawFile;
  const { gradients } = sharedData();
  return {
    ...about,
    flushesSubnormals: about.flushesSubnormals ?? false,
    approximate: about.approximate ?? false,
    cases: cases.map((raw) => ({
      ...raw,
      parameterOptions: raw.parameterOptions ?? {},
      changes: raw.changes ?? {},
      learningRates: raw.learningRates,
      frameworkOnly: raw.frameworkOnly ?? [],
      gradient: (parameter, step) =>
        raw.missing?.[parameter]?.includes(step + 1) ? null : fromHex(gradients[raw.gradients]![parameter][step]!),
      steps: raw.arrays.a.parameter!.length,
      arrays: { a: decode(raw.arrays.a), b: decode(raw.arrays.b) },
      checkpoint: raw.checkpoint && {
        step: raw.checkpoint.step,
        entries: raw.checkpoint.entries.map(({ data, ...entry }) => ({
          ...entry,
          ...(data && { data: typeof data === "string" ? fromHex(data) : data }),
        })),
      },
    })),
  };
}

/** Float32 numbers from their bit patterns, 8 hexadecimal digits each. */
export function fromHex(text: string): Float32Array {
  const bytes = Buffer.from(text, "hex");
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatBE(i * 4));
}

/** What `vectors/` holds, as it stands in the file. @internal */
export function readJson(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`./vectors/${name}.json`, import.meta.url), "utf8"));
}

/** Bit patterns of one parameter's gradients, a string a step. */
type HexSteps = Record<ParameterName, string[]>;

interface SharedData {
  seed: number;
  parameters: Record<ParameterName, string>;
  gradients: Record<string, HexSteps>;
}

let shared: SharedData | undefined;

function sharedData(): SharedData {
  shared ??= readJson("gradients") as SharedData;
  return shared;
}

type RawArrays = Record<string, (string | null)[]>;

interface RawCase extends Pick<GoldenCase, "name" | "optimizer" | "dialect" | "frameworkOptions" | "options"> {
  gradients: string;
  parameterOptions?: GoldenCase["parameterOptions"];
  changes?: GoldenCase["changes"];
  learningRates?: number[];
  missing?: Partial<Record<ParameterName, number[]>>;
  frameworkOnly?: string[];
  arrays: Record<ParameterName, RawArrays>;
  checkpoint?: { step: number; entries: (Omit<CheckpointEntry, "data"> & { data?: string | number[] })[] };
}

interface RawFile extends Pick<GoldenFile, "framework" | "version" | "environment" | "states"> {
  flushesSubnormals?: boolean;
  approximate?: boolean;
  cases: RawCase[];
}

function decode(arrays: RawArrays): Record<string, Trace> {
  return Object.fromEntries(
    Object.entries(arrays).map(([key, steps]) => [key, steps.map((text) => (text === null ? null : fromHex(text)))]),
  );
}

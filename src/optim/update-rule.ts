import type { KernelFamily } from "../backend/family.js";
import type { GroupOptions, StepOptions } from "./options.js";

/** Values of a group's block, by word of src/abi/step-table.ts; words that are not named are 0. */
export type Scalars = readonly (readonly [word: number, value: number])[];

/** A moving average of the parameter: a ← decay·a + complement·θ. */
export interface ParameterAverage {
  readonly decay: number;
  readonly complement: number;
  /** Otherwise the first step copies the parameter. */
  readonly startsAtParameter: boolean;
  /** a + complement·(θ − a) in place of it. */
  readonly isLerp?: boolean;
}

/** What the scalars of a step may depend on: a parameter before its step. */
export interface StepOf {
  /** Steps taken so far. */
  readonly iterations: number;
  readonly size: number;
  /** As a matrix: the last axis, and all before it. */
  readonly rows: number;
  readonly columns: number;
  /** Whether its first state array has a value, if that is lazy. */
  readonly started: boolean;
  /** What the rule remembers of it, in the order of `UpdateRule.memory`. */
  readonly memory: Float64Array;
}

/** Where `StepScalars` writes: SEGMENT_SCALARS float32 scalars, the float64 one, then the next values of the memory. */
export const SCALAR_F64 = 3;
export const NEXT_MEMORY = 4;

/**
 * Writes the scalars of a parameter's next step. The learning rate comes in its array, by the group's index: V8 boxes
 * numbers that are handed on one by one.
 */
export type StepScalars = (of: StepOf, scalars: Float64Array, rates: Float64Array, group: number) => void;

/** What the options of a group make of a rule's formula. */
export interface Formula {
  /** FORM_… bits. */
  readonly form: number;
  /** MODE_… bits, if they are not those of the gradient transforms. */
  readonly mode?: number;
  readonly scalars: Scalars;
  /** float64 scalars, of two words each. */
  readonly doubles?: Scalars;
  /** Start value of each state array; `undefined` where the group does without it. */
  readonly initial: readonly (number | undefined)[];
  /** Scalars that change from step to step; absent where the formula has none. */
  readonly stepScalars?: StepScalars | undefined;
  /** A framework's own moving average of the parameters, where it differs. */
  readonly average?: Partial<ParameterAverage>;
}

/** A state array of a rule. */
export interface StateArray {
  readonly name: string;
  /** Elements for a parameter of this shape; −1: it has none. Default: as many as the parameter has. */
  readonly size?: (shape: readonly number[]) => number;
}

/** A number that a rule remembers of each parameter, as float32. */
export interface Remembered {
  readonly name: string;
  readonly start: number;
}

/**
 * What tells one optimizer from another. `Optimizer` does everything else for all of them: groups, schedules, gradient
 * transforms, accumulation, averages, freezing, saved states, threads. A new optimizer is a file with its rule and its
 * class, a kernel on both sides, and an export line.
 */
export interface UpdateRule<Options extends GroupOptions> {
  /** The name of its class, which minifiers would change. */
  readonly name: string;
  /** Its kernel: one of the family's `steps`. */
  readonly family: Pick<KernelFamily<object>, "name" | "js" | "steps">;
  readonly kernel: string;
  /** Options besides those of every optimizer. */
  readonly optionKeys: readonly (keyof Options & string)[];
  /** Those of them that cannot be changed between steps. */
  readonly fixedKeys?: readonly string[];
  /** Default learning rate. */
  readonly learningRate: number;
  /** Of other options; those that the caller gives override them. */
  readonly defaults?: Options;
  /** Options of the constructor alone, as they were given. */
  readonly constants?: Readonly<Record<string, string>>;
  /** How it accumulates by default; default `"sum"`. */
  readonly accumulation?: StepOptions["accumulation"] | undefined;
  /** Keras's: a parameter without a gradient in the call that updates is passed over, and what it had is dropped. */
  readonly accumulationDrops?: boolean | undefined;
  /** Its state arrays, at most three, in the order of a segment's. */
  readonly states: readonly StateArray[];
  /**
   * Whether the first value of its first array is what enters it, as in PyTorch's momentum buffer of SGD: a parameter may
   * be without one although it has made steps. It is made as −0, and −0 + x is x for every x.
   */
  readonly isLazy?: boolean;
  readonly memory?: readonly Remembered[];
  /** Rows of a parameter of this shape, as its kernel sees matrices. Default: all axes but the last. */
  readonly rows?: (shape: readonly number[]) => number;
  /** Throws OptionError for a parameter that it cannot update; `path` is what messages call it. */
  readonly check?: (shape: readonly number[], path: string) => void;
  /** How many of the scalars of a step it writes; default 2. */
  readonly scalars?: number;
  /** Whether they depend on more than a parameter's group and its count of steps. Default false. */
  readonly scalarsOfShape?: boolean;
  /**
   * Checks the options of one group and derives the formula from them. `name` gives what messages call an option,
   * `mode` the MODE_… bits of the gradient transforms.
   */
  resolve(options: Options, name: (key: string) => string, mode: number): Formula;
}

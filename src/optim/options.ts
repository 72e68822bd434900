import { checkChoice, checkFinite, checkInteger, checkNumber } from "../checks.js";
import { type GradientTransformOptions, resolveTransforms } from "./gradient-transforms.js";
import type { ParameterAverage, Scalars, StepScalars, UpdateRule } from "./update-rule.js";

/** The learning rate of an iteration, counted from 0: a pure function. */
export type Schedule = (iteration: number) => number;

/** A schedule with a memory of its own. An optimizer saves and loads it with its own state. */
export interface StatefulSchedule<State = unknown> extends Schedule {
  /** A copy of what it remembers, as plain data. */
  state(): State;
  /** Continues from there. Throws, and has then changed nothing, if `state` is not such data. */
  load(state: State): void;
}

/** Options that every optimizer has, for all parameters or for a group of them. */
export interface GroupOptions extends GradientTransformOptions {
  /** A finite number >= 0, or a function of the iteration that returns one. */
  learningRate?: number | Schedule;
  /**
   * d, 0 to 1, of the parameters' moving average a ← d·a + (1−d)·θ after each update, the first of which copies θ; read
   * with `averaged()`. Default: there is none.
   */
  emaDecay?: number;
}

/** Options that every optimizer has for a step as a whole. */
export interface StepOptions {
  /**
   * What becomes of a step if a gradient has NaN or ±Infinity: it is applied as is (default), the whole step is
   * skipped, or NonFiniteError is thrown. The latter two read the gradients once more.
   */
  onNonFinite?: "propagate" | "skip" | "throw";
  /** n >= 1: n calls of `step` make one update, by the mean of their gradients. Default 1. */
  accumulationSteps?: number;
  /**
   * How that mean is made: their sum, divided by n at the end, or the mean so far, a ← a + (g − a)·(1/k) in the k-th
   * call, as Optax's MultiSteps does. Default `"sum"`, with dialect `"optax"` `"running"`.
   */
  accumulation?: "sum" | "running";
}

/** New values of options; `undefined` brings an option's default back. */
export type OptionChanges<Options> = { [Key in keyof Options]?: Options[Key] | undefined };

/** What an optimizer is, without its state: plain data, for a checkpoint. */
export interface OptimizerDescription {
  /** Its class. */
  optimizer: string;
  /** Of RMSProp. */
  dialect?: string;
  /** Names of the parameters, and the options given for them; `learningRate` is what the next step uses. */
  groups: { parameters: string[]; options: Record<string, number | string | boolean> }[];
  /** Where it is not the default. */
  onNonFinite?: "skip" | "throw";
  /** Where it is more than 1. */
  accumulationSteps?: number;
  accumulation?: "running";
  /** Names of the parameters that are frozen, if some are. */
  frozen?: string[];
}

export const STEP_KEYS = [
  "onNonFinite",
  "accumulationSteps",
  "accumulation",
] as const satisfies readonly (keyof StepOptions)[];

/** Indices of a parameter's state arrays: up to three of the rule, the parameter's average and the gradients' sum. */
export const AVERAGE = 3;
export const ACCUMULATOR = 4;
export const STATES = 5;

/** The options of a group as numbers, from which its block and the segments are written. */
export interface Hyperparameters {
  /** MODE_… and FORM_… bits. */
  readonly mode: number;
  readonly form: number;
  readonly scalars: Scalars;
  readonly doubles: Scalars;
  readonly weightDecay: number;
  /** Start value of each state array; `undefined` where the group does without it. */
  readonly initial: readonly (number | undefined)[];
  readonly stepScalars: StepScalars | undefined;
  readonly average: ParameterAverage | undefined;
}

/** The options of one group, its own over the optimizer's, checked; `prefix` is what messages put before its own. */
export function resolveOptions(
  rule: UpdateRule<GroupOptions>,
  shared: GroupOptions,
  own: GroupOptions,
  prefix: string,
  accumulationSteps: number,
): Hyperparameters {
  const options = { ...rule.defaults, ...shared, ...own };
  const name = (key: string): string => (Object.hasOwn(own, key) ? `${prefix}${key}` : key);
  if (own.learningRate !== undefined) checkLearningRate(name("learningRate"), own.learningRate);
  const { emaDecay } = options;
  if (emaDecay !== undefined) checkNumber(name("emaDecay"), emaDecay, 0, 1);
  const transforms = resolveTransforms(options, name);
  const formula = rule.resolve(options, name, transforms.mode);
  const initial = [...formula.initial];
  initial[AVERAGE] = emaDecay === undefined ? undefined : 0;
  initial[ACCUMULATOR] = accumulationSteps > 1 ? 0 : undefined;
  return {
    mode: formula.mode ?? transforms.mode,
    form: formula.form,
    scalars: [...transforms.scalars, ...formula.scalars],
    doubles: formula.doubles ?? [],
    weightDecay: options.weightDecay ?? 0,
    initial,
    stepScalars: formula.stepScalars,
    average:
      emaDecay === undefined
        ? undefined
        : { decay: emaDecay, complement: 1 - emaDecay, startsAtParameter: false, ...formula.average },
  };
}

/** The options that have a value. */
export function given(options: object): GroupOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** The options without those of these names. */
export function without(options: object, names: object): GroupOptions {
  return Object.fromEntries(Object.entries(options).filter(([key]) => !Object.hasOwn(names, key)));
}

/** Throws OptionError unless these are options of a step; returns them with their defaults. */
export function checkStepOptions(
  options: OptionChanges<StepOptions>,
  standard: StepOptions["accumulation"] = "sum",
): Required<StepOptions> {
  const { onNonFinite = "propagate", accumulationSteps = 1, accumulation = standard } = options;
  checkChoice("onNonFinite", onNonFinite, ["propagate", "skip", "throw"]);
  checkInteger("accumulationSteps", accumulationSteps, 1);
  checkChoice("accumulation", accumulation, ["sum", "running"]);
  return { onNonFinite, accumulationSteps, accumulation };
}

/** Returns a learning rate that is a finite number >= 0 or a function; throws OptionError for any other. @internal */
export function checkLearningRate(name: string, value: unknown): number | Schedule {
  if (typeof value === "function") return value as Schedule;
  checkFinite(name, value, 0);
  return value as number;
}

/** The learning rate of an iteration; `prefix` is what messages put before its name. */
export function rateOf(learningRate: number | Schedule, iteration: number, prefix: string): number {
  if (typeof learningRate === "number") return learningRate;
  const rate = learningRate(iteration);
  if (!(typeof rate === "number" && rate >= 0 && Number.isFinite(Math.fround(rate)))) {
    checkFinite(`${prefix}learningRate(${iteration})`, rate, 0);
  }
  return rate;
}

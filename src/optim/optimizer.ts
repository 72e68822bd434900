import type { Kernels } from "../backend/backend.js";
import { MODE_CLIP_GLOBAL_NORM, MODE_MEASURE } from "../backend/segments.js";
import { checkChoice, checkFinite, checkKeys, unexpected } from "../checks.js";
import { Core } from "../core.js";
import { DisposedError, NonFiniteError } from "../errors.js";
import { Tensor } from "../tensor.js";
import { CONDITIONING_KEYS, type ConditioningOptions, resolveConditioning } from "./conditioning.js";
import { collectParameters, type Entry, type Gradients, type Parameter } from "./parameters.js";
import { type GroupScalars, type RatePlacement, SegmentTable } from "./segments.js";
import { type Correct, type Group, gradientName, needsStaging, readGradients, type Slot } from "./slots.js";
import { loadSlots, type OptimizerState, type StateName, saveSlots } from "./state.js";

/** The learning rate of an iteration, counted from 0: a pure function. */
export type Schedule = (iteration: number) => number;

/** Options that every optimizer has, for all parameters or for a group of them. */
export interface GroupOptions extends ConditioningOptions {
  /** A finite number >= 0, or a function of the iteration that returns one. */
  learningRate?: number | Schedule;
}

/** Options that every optimizer has for a step as a whole. */
export interface StepOptions {
  /**
   * What becomes of a step if a gradient holds NaN or ±Infinity: it goes its way into parameters and state (default),
   * the whole step is skipped, or NonFiniteError is thrown. The latter two read the gradients once more.
   */
  onNonFinite?: "propagate" | "skip" | "throw";
}

/** What a kernel needs to know of the options of one group. @internal */
export interface GroupPlan {
  /** MODE_… bits, and those of the conditioning that it does itself. */
  readonly mode: number;
  readonly without?: number;
  readonly scalars: GroupScalars;
  /** Start value of each state array; `undefined` where the group does without it. */
  readonly initial: readonly (number | undefined)[];
  readonly correct: Correct | undefined;
  /** Where the learning rate stands in the formula. Default: before the division. */
  readonly rate?: RatePlacement;
}

/** What tells one optimizer from another. @internal */
export interface Method<Options extends GroupOptions> {
  /** Calls its kernel. */
  run(kernels: Kernels, segmentsPtr: number, segmentCount: number, checkFinite: number): number;
  /** Options of the constructor alone: the subclass has read them. */
  readonly fixedKeys?: readonly string[];
  /** Options besides those of every optimizer. */
  readonly optionKeys: readonly (keyof Options & string)[];
  readonly learningRate: number;
  /** Of other options; those that the caller gives stand above them. */
  readonly defaults?: Options;
  /** State arrays, in the order of a row's. */
  readonly states: readonly StateName[];
  /**
   * Checks the options of one group; `name` gives what messages call an option, `conditioning` the MODE_… bits that
   * clipping and weight decay have.
   */
  plan(options: Options, name: (key: string) => string, conditioning: number): GroupPlan;
}

/** A group with what steps need of its options. */
interface PlannedGroup extends Group {
  readonly plan: GroupPlan;
  /** Its own learning rate, if it has one, and what messages call that. */
  readonly ownRate: number | Schedule | undefined;
  readonly rateName: string;
}

/**
 * What all optimizers share: parameters, gradients and state, checked here and handed to one kernel call a step.
 */
export abstract class Optimizer {
  readonly core: Core;
  readonly #runKernel: Method<GroupOptions>["run"];
  readonly #stateNames: readonly StateName[];
  readonly #onNonFinite: NonNullable<StepOptions["onNonFinite"]>;
  readonly #groups: PlannedGroup[];
  readonly #slots: Slot[] = [];
  /** The caller's tensors, none of which may be a gradient. */
  readonly #parameterTensors = new Set<Tensor>();
  /** What `dispose` frees. */
  readonly #owned: { dispose(): void }[] = [];
  readonly #table: SegmentTable;
  readonly #corrections = Float64Array.of(1, 1);
  #learningRate: number | Schedule;
  #iterations = 0;
  #disposed = false;

  /** @internal */
  protected constructor(
    core: Core,
    params: unknown,
    options: GroupOptions & StepOptions,
    method: Method<GroupOptions>,
  ) {
    if (!(core instanceof Core)) throw unexpected("core", core, "a Core");
    core.assertLive();
    const keys = ["learningRate", ...CONDITIONING_KEYS, ...method.optionKeys];
    const { fixedKeys = [] } = method;
    checkKeys("options", options, [...keys, "onNonFinite", ...fixedKeys]);
    const { onNonFinite = "propagate", learningRate = method.learningRate, ...rest } = options;
    const defaults = { ...method.defaults, ...defined(rest, fixedKeys) };
    checkChoice("onNonFinite", onNonFinite, ["propagate", "skip", "throw"]);
    this.core = core;
    this.#runKernel = method.run;
    this.#stateNames = method.states;
    this.#onNonFinite = onNonFinite;
    this.#learningRate = checkLearningRate("learningRate", learningRate);
    const { grouped, sets } = collectParameters(core, params);
    this.#groups = sets.map((set, index) => {
      checkKeys(set.path, set.options, keys);
      return planGroup(method, defaults, set.options, set.path, grouped ? index : -1, set.kind);
    });

    try {
      const rowCount = sets.reduce((count, set) => count + set.entries.length, 0);
      this.#table = new SegmentTable(core, rowCount, sets.length);
      this.#owned.push(this.#table);
      const measure = this.#groups.some(({ plan }) => plan.mode & MODE_CLIP_GLOBAL_NORM) ? MODE_MEASURE : 0;
      for (const [index, group] of this.#groups.entries()) {
        this.#table.writeGroup(index, group.plan.mode | measure, group.plan.scalars, group.plan.rate);
        for (const entry of sets[index]!.entries) {
          const slot = this.#makeSlot(group, entry);
          group.slots.push(slot);
          group.byKey.set(slot.key, slot);
          this.#slots.push(slot);
          this.#table.writeRow(this.#slots.length - 1, slot.tensor, index, slot.states);
        }
      }
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Steps made so far; those passed over by `onNonFinite: "skip"` do not count. */
  get iterations(): number {
    return this.#iterations;
  }

  /** What the next step uses where a group has no rate of its own. Set it to a finite number >= 0 or to a schedule. */
  get learningRate(): number {
    this.#assertLive();
    return rateOf(this.#learningRate, this.#iterations, "learningRate");
  }

  set learningRate(value: number | Schedule) {
    this.#assertLive();
    this.#learningRate = checkLearningRate("learningRate", value);
  }

  /**
   * Updates every parameter that has a gradient, in place.
   *
   * Cost: one call into Wasm, and no allocation, except for a tensor whose gradient comes as a Float32Array for the
   * first time. Parameters that are Float32Arrays are copied in and out, gradients that are, in.
   *
   * @param grads gradients in the structure of the parameters: Tensors of the parameter's shape or Float32Arrays of its
   *   length. One that is `null`, `undefined` or absent passes its parameter over: its value, state and count of steps
   *   stay. For groups: an array with, for each group, its gradients or `{ params: gradients }`.
   * @throws ShapeError, OptionError, DisposedError, OutOfMemoryError; NonFiniteError with `onNonFinite: "throw"`.
   *   Parameters, state and `iterations` are then what they were.
   */
  step(grads: Gradients): void {
    this.#assertLive();
    const slots = this.#slots;
    this.#readRates();
    this.#assertLive(); // a schedule is the caller's code, and may have disposed it
    readGradients(this.core, this.#groups, this.#parameterTensors, grads);
    for (let i = 0; i < slots.length; i++) if (needsStaging(slots[i]!)) this.#reserveStaging();

    this.#writeTable();
    const checkFinite = this.#onNonFinite === "propagate" ? 0 : 1;
    const refused = this.#runKernel(this.core.kernels, this.#table.ptr, slots.length, checkFinite);
    if (refused !== 0) {
      if (this.#onNonFinite === "skip") return;
      throw nonFinite(slots[refused - 1]!);
    }
    for (let i = 0; i < slots.length; i++) finish(slots[i]!);
    this.#iterations++;
  }

  /** A copy of everything the optimizer remembers, in plain arrays; `load` takes it back. */
  state(): OptimizerState {
    this.#assertLive();
    return { iterations: this.#iterations, parameters: saveSlots(this.#slots, this.#stateNames) };
  }

  /**
   * Continues from the state of an optimizer that had the same parameters by name, and options that need the same
   * arrays. The options, the learning rate among them, stay this optimizer's.
   *
   * @throws CheckpointError naming what is missing, unknown or of another length; the state is then what it was
   */
  load(state: OptimizerState): void {
    this.#assertLive();
    loadSlots(this.#slots, this.#stateNames, state);
    this.#iterations = state.iterations;
  }

  /** Frees the state; the parameters stay. A second call does nothing, other uses afterwards throw DisposedError. */
  dispose(): void {
    this.#disposed = true;
    for (const owned of this.#owned.splice(0)) owned.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What it was made for. @internal */
  get parameters(): readonly Parameter[] {
    return this.#slots.map((slot) => slot.array ?? slot.tensor);
  }

  /** The gradient of its only parameter, in the structure that `step` takes. @internal */
  structured(gradient: Tensor | Float32Array): Gradients {
    const { index, kind, slots } = this.#groups[0]!;
    const set = kind === "single" ? gradient : kind === "list" ? [gradient] : { [slots[0]!.key]: gradient };
    return index < 0 ? set : [set];
  }

  #assertLive(): void {
    if (this.#disposed) throw new DisposedError("optimizer was used after dispose()");
    this.core.assertLive();
  }

  #makeSlot(group: PlannedGroup, { name, key, path, value }: Entry): Slot {
    const array = value instanceof Tensor ? undefined : value;
    const tensor = value instanceof Tensor ? value : this.#reserve(value.length, 0);
    if (array === undefined) this.#parameterTensors.add(tensor);
    const states = group.plan.initial.map((start) => (start === undefined ? start : this.#reserve(tensor.size, start)));
    const staging = array && this.#reserve(tensor.size, 0);
    const { correct } = group.plan;
    return {
      name,
      key,
      path,
      group,
      tensor,
      array,
      states,
      staging,
      gradient: undefined,
      accepted: undefined,
      iterations: 0,
      correct,
    };
  }

  #reserve(size: number, start: number): Tensor {
    const tensor = this.core.tensor([size]);
    this.#owned.push(tensor);
    tensor.data.fill(start);
    return tensor;
  }

  /** Evaluates the learning rates of this step, each schedule once. */
  #readRates(): void {
    const rate = rateOf(this.#learningRate, this.#iterations, "learningRate");
    for (let i = 0; i < this.#groups.length; i++) {
      const { ownRate, rateName } = this.#groups[i]!;
      this.#table.learningRates[i] = ownRate === undefined ? rate : rateOf(ownRate, this.#iterations, rateName);
    }
  }

  /** Makes room for the gradients that come as arrays: for all of them or for none. */
  #reserveStaging(): void {
    const slots = this.#slots.filter(needsStaging);
    const before = this.#owned.length;
    try {
      for (const slot of slots) slot.staging = this.#reserve(slot.tensor.size, 0);
    } catch (error) {
      for (const slot of slots) slot.staging = undefined;
      for (const owned of this.#owned.splice(before)) owned.dispose();
      throw error;
    }
  }

  /** Brings the table up to this step, and arrays into linear memory. */
  #writeTable(): void {
    const table = this.#table;
    for (let i = 0; i < this.#groups.length; i++) table.setLearningRate(i);
    for (let i = 0; i < this.#slots.length; i++) {
      const slot = this.#slots[i]!;
      const { gradient, array, correct } = slot;
      if (gradient === undefined) {
        table.setGradient(i, 0);
        continue;
      }
      if (gradient === slot.accepted) table.setGradient(i, slot.accepted.ptr);
      else {
        slot.staging!.data.set(gradient as Float32Array);
        table.setGradient(i, slot.staging!.ptr);
      }
      if (array !== undefined) slot.tensor.data.set(array);
      if (correct === undefined) continue;
      correct(slot.iterations + 1, this.#corrections, table.learningRates, Math.max(slot.group.index, 0));
      table.setCorrections(i, this.#corrections);
    }
  }
}

/** The options that have a value, without some. */
function defined(options: GroupOptions, without: readonly string[] = []): GroupOptions {
  return Object.fromEntries(
    Object.entries(options).filter(([key, value]) => value !== undefined && !without.includes(key)),
  );
}

/** The options of one group, its own over the optimizer's, checked and made into a plan. */
function planGroup(
  method: Method<GroupOptions>,
  defaults: GroupOptions,
  own: GroupOptions,
  path: string,
  index: number,
  kind: Group["kind"],
): PlannedGroup {
  const overrides = defined(own);
  const options = { ...defaults, ...overrides };
  const name = (key: string): string => (Object.hasOwn(overrides, key) ? `${path}.${key}` : key);
  const ownRate = overrides.learningRate;
  if (ownRate !== undefined) checkLearningRate(name("learningRate"), ownRate);
  const conditioning = resolveConditioning(options, name);
  const special = method.plan(options, name, conditioning.mode);
  const plan: GroupPlan = {
    ...special,
    mode: (conditioning.mode & ~(special.without ?? 0)) | special.mode,
    scalars: { ...conditioning.scalars, ...special.scalars },
  };
  return {
    index,
    kind,
    slots: [],
    byKey: new Map(),
    wrapped: false,
    plan,
    ownRate,
    rateName: name("learningRate"),
  };
}

/** Returns a learning rate that is a finite number >= 0 or a function; throws OptionError for any other. */
function checkLearningRate(name: string, value: unknown): number | Schedule {
  if (typeof value === "function") return value as Schedule;
  checkFinite(name, value, 0);
  return value as number;
}

function rateOf(learningRate: number | Schedule, iteration: number, name: string): number {
  if (typeof learningRate === "number") return learningRate;
  const rate = learningRate(iteration);
  if (!(typeof rate === "number" && rate >= 0 && rate < Number.POSITIVE_INFINITY)) {
    checkFinite(`${name}(${iteration})`, rate, 0);
  }
  return rate;
}

function nonFinite(slot: Slot): NonFiniteError {
  const name = gradientName(slot);
  return new NonFiniteError(`${name} holds NaN or ±Infinity, expected finite numbers (onNonFinite is "throw")`);
}

/** After the kernel: arrays get their new values back. */
function finish(slot: Slot): void {
  if (slot.gradient === undefined) return;
  slot.gradient = undefined; // holds on to nothing between steps
  slot.iterations++;
  slot.array?.set(slot.tensor.data);
}

import { type CoreKernels, coreFamily } from "../backend/families/core.js";
import { MODE_CLIP_GLOBAL_NORM, MODE_CLIP_NORM, MODE_MEASURE } from "../backend/segments.js";
import { checkChoice, checkFinite, checkInteger, checkKeys, checkNumber, unexpected } from "../checks.js";
import { Core } from "../core.js";
import { DisposedError, NonFiniteError, OptionError } from "../errors.js";
import { Tensor } from "../tensor.js";
import { CONDITIONING_KEYS, type ConditioningOptions, resolveConditioning } from "./conditioning.js";
import {
  checkDistinct,
  collectParameters,
  collectSet,
  type Entry,
  type EntrySet,
  type Gradients,
  isRecord,
  type Parameter,
  type ParameterCopies,
  type ParameterSet,
  type SetKind,
} from "./parameters.js";
import { checkRows, type RowIndices, RowTable } from "./rows.js";
import { type GroupScalars, SegmentTable } from "./segments.js";
import {
  ACCUMULATOR,
  AVERAGE,
  type Group,
  gradientName,
  needsStaging,
  type Plan,
  readGradients,
  type Slot,
  type SlotSet,
} from "./slots.js";
import { loadSlots, type OptimizerState, type StateName, saveSlots } from "./state.js";

/** The learning rate of an iteration, counted from 0: a pure function. */
export type Schedule = (iteration: number) => number;

/** Options that every optimizer has, for all parameters or for a group of them. */
export interface GroupOptions extends ConditioningOptions {
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
   * What becomes of a step if a gradient holds NaN or ±Infinity: it goes its way into parameters and state (default),
   * the whole step is skipped, or NonFiniteError is thrown. The latter two read the gradients once more.
   */
  onNonFinite?: "propagate" | "skip" | "throw";
  /** n >= 1: so many calls of `step` are one update, by the mean of their gradients. Default 1. */
  accumulationSteps?: number;
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
}

/** What a kernel needs to know of the options of one group. @internal */
export interface GroupPlan {
  /** MODE_… bits, and those of the conditioning that it does itself. */
  readonly mode: number;
  readonly without?: number;
  readonly scalars: GroupScalars;
  /** Start value of each state array; `undefined` where the group does without it. */
  readonly initial: readonly (number | undefined)[];
  readonly correct: Plan["correct"];
  /** Where the learning rate stands in the formula. Default: before the division. */
  readonly rate?: Plan["rate"];
  /** A framework's own moving average of the parameters: weight of the parameter, and what it starts as. */
  readonly average?: Partial<NonNullable<Plan["average"]>>;
}

/** What tells one optimizer from another. @internal */
export interface Method<Options extends GroupOptions> {
  /** The name of its class, which minifiers would change. */
  readonly name: string;
  /** Calls its kernel. */
  run(kernels: CoreKernels, segmentsPtr: number, segmentCount: number, checkFinite: number): number;
  /** Options besides those of every optimizer. */
  readonly optionKeys: readonly (keyof Options & string)[];
  /** Those of them that cannot be changed between steps. */
  readonly fixedKeys?: readonly string[];
  readonly learningRate: number;
  /** Of other options; those that the caller gives stand above them. */
  readonly defaults?: Options;
  /** Options of the constructor alone, as they were given. */
  readonly constants?: Record<string, string>;
  /** Its own state arrays, at most three, in the order of a row's. */
  readonly states: readonly StateName[];
  /**
   * Checks the options of one group; `name` gives what messages call an option, `conditioning` the MODE_… bits that
   * clipping and weight decay have.
   */
  plan(options: Options, name: (key: string) => string, conditioning: number): GroupPlan;
}

/** A group with the options that it was given. */
interface PlannedGroup extends Group {
  /** What messages call its own options before their names. */
  readonly prefix: string;
  /** Its own options, over the optimizer's. */
  own: GroupOptions;
  /** The learning rate of these. */
  ownRate: number | Schedule | undefined;
}

const STEP_KEYS = ["onNonFinite", "accumulationSteps"] as const satisfies readonly (keyof StepOptions)[];

/**
 * What all optimizers share: parameters, gradients and state, checked here and handed to one kernel call a step.
 */
export abstract class Optimizer<Options extends GroupOptions = GroupOptions> {
  readonly core: Core;
  readonly #method: Method<GroupOptions>;
  readonly #stateNames: readonly StateName[];
  readonly #groupKeys: readonly string[];
  #step: Required<StepOptions>;
  /** Options of all groups that have none of their own; but for the learning rate. */
  #defaults: GroupOptions;
  #learningRate: number | Schedule;
  /** The parameters by options, and in the structure that gradients have. */
  readonly #groups: PlannedGroup[] = [];
  readonly #sets: SlotSet[] = [];
  readonly #slots: Slot[] = [];
  /** The caller's tensors, none of which may be a gradient. */
  readonly #parameterTensors = new Set<Tensor>();
  /** What `dispose` frees. */
  readonly #owned = new Set<{ dispose(): void }>();
  readonly #corrections = new Float64Array(2);
  #table!: SegmentTable;
  #rows: RowTable | undefined;
  #iterations = 0;
  /** Calls of `step` since the last update. */
  #accumulated = 0;
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
    this.#groupKeys = ["learningRate", "emaDecay", ...CONDITIONING_KEYS, ...method.optionKeys];
    const { constants = {} } = method;
    checkKeys("options", options, [...this.#groupKeys, ...STEP_KEYS, ...Object.keys(constants)]);
    const { onNonFinite, accumulationSteps, learningRate = method.learningRate, ...rest } = options;
    const defaults = Object.fromEntries(Object.entries(rest).filter(([key]) => !Object.hasOwn(constants, key)));
    this.core = core;
    this.#method = method;
    const names: StateName[] = [...method.states];
    names[AVERAGE] = "parameterAverage";
    names[ACCUMULATOR] = "gradientSum";
    this.#stateNames = names;
    this.#step = checkStepOptions({ onNonFinite, accumulationSteps });
    this.#defaults = given(defaults);
    this.#learningRate = checkLearningRate("learningRate", learningRate);
    const { grouped, sets } = collectParameters(core, params);
    const added = sets.map((set, index) => {
      checkKeys(set.path, set.options, this.#groupKeys);
      return this.#planGroup(`${set.path}.`, given(set.options), index, set, newSet(set.kind, grouped ? index : -1));
    });
    this.#addGroups(added);
  }

  /** Updates made so far; those passed over by `onNonFinite: "skip"` do not count. */
  get iterations(): number {
    return this.#iterations;
  }

  /** What the next step uses where a group has no rate of its own. Set it to a finite number >= 0 or to a schedule. */
  get learningRate(): number {
    this.#assertLive();
    return rateOf(this.#learningRate, this.#iterations, "");
  }

  set learningRate(value: number | Schedule) {
    this.#assertLive();
    this.#learningRate = checkLearningRate("learningRate", value);
  }

  /**
   * Updates every parameter that has a gradient, in place. With `accumulationSteps: n` only each n-th call does, by the
   * mean of the gradients since: their sum in the order of the calls, divided by n even if a parameter had fewer of
   * them. One that had none is passed over.
   *
   * Cost: one call into Wasm, two with accumulation, and no allocation, except for a tensor whose gradient comes as a
   * Float32Array for the first time. Parameters that are Float32Arrays are copied in and out, gradients that are, in.
   *
   * @param grads gradients in the structure of the parameters: Tensors of the parameter's shape or Float32Arrays of its
   *   length. One that is `null`, `undefined` or absent passes its parameter over: its value, state and count of steps
   *   stay. For groups: an array with, for each group, its gradients or `{ params: gradients }`.
   * @throws ShapeError, OptionError, DisposedError, OutOfMemoryError; NonFiniteError with `onNonFinite: "throw"`.
   *   Parameters, state and `iterations` are then what they were; what NonFiniteError refuses after an accumulation is
   *   dropped, like what "skip" passes over, and the next call begins a new one.
   * @example
   * optimizer.step({ w: gradient });
   */
  step(grads: Gradients): void {
    this.#assertLive();
    const slots = this.#slots;
    const { accumulationSteps } = this.#step;
    const isUpdate = this.#accumulated + 1 === accumulationSteps;
    if (isUpdate) this.#readRates();
    readGradients(this.core, this.#sets, this.#parameterTensors, grads);
    for (let i = 0; i < slots.length; i++) if (needsStaging(slots[i]!)) this.#reserveStaging();

    if (accumulationSteps > 1) this.#accumulate(isUpdate ? accumulationSteps : 0);
    if (!isUpdate) return;
    this.#writeTable();
    const refused = this.#run(this.#table, slots.length);
    if (refused === 0) {
      for (let i = 0; i < slots.length; i++) finish(slots[i]!);
      this.#iterations++;
    } else if (this.#step.onNonFinite === "throw") throw nonFinite(gradientName(slots[refused - 1]!));
  }

  /**
   * Updates some rows of one parameter, a Tensor, and of its state, as if it had no others: those of an embedding that a
   * batch has touched. Weight decay, clipping (over these rows) and the average see nothing else, and nothing is made up
   * for later. It is a step: `iterations` and the parameter's own count go up by one.
   *
   * Cost: one call into Wasm, and one more for each row that is named again; the gradients are copied in.
   *
   * @param name the parameter's name, its index for lists
   * @param rowIndices integers from 0 to the length of its first axis − 1; the gradients of one that is named several
   *   times are added in the order of the call
   * @param rowGrads the gradients of these rows, one after the other: a Tensor [rowIndices.length, ...the other axes],
   *   or a Float32Array
   * @throws OptionError, ShapeError, DisposedError, OutOfMemoryError, NonFiniteError; nothing has then changed
   * @example
   * const embedding = core.tensor([1000, 16]);
   * const optimizer = new RMSProp(core, { embedding });
   * optimizer.stepRows("embedding", [7, 42], new Float32Array(2 * 16).fill(0.1));
   * @see TensorFlow's sparse application of optimizers
   */
  stepRows(name: string, rowIndices: RowIndices, rowGrads: Tensor | Float32Array): void {
    this.#assertLive();
    const { onNonFinite, accumulationSteps } = this.#step;
    if (accumulationSteps > 1)
      throw new OptionError(`stepRows needs accumulationSteps 1, but it is ${accumulationSteps}`);
    const slot = this.#slotNamed(name);
    this.#readRates();
    checkRows(this.core, slot, rowIndices, rowGrads);
    if (!slot.frozen) {
      this.#rows ??= this.#own(new RowTable(this.core, (rowCount) => this.#makeRowTable(rowCount)));
      const rowCount = this.#rows.write(slot, rowIndices, rowGrads);
      const { table } = this.#rows;
      const { index } = slot.group;
      table.learningRates[index] = this.#table.learningRates[index]!;
      table.setLearningRate(index);
      for (let row = 0; row < rowCount; row++) this.#writeStep(table, row, slot);
      if (this.#run(table, rowCount) !== 0) {
        if (onNonFinite === "skip") return;
        throw nonFinite("rowGrads");
      }
      const average = slot.states[AVERAGE];
      if (average !== undefined && isFirstOf(slot)) average.data.set(slot.tensor.data);
      slot.iterations++;
    }
    this.#iterations++;
  }

  /**
   * Copies of the parameters' moving averages, in the structure of the parameters. A parameter without an average (no
   * `emaDecay`, or no step so far) is copied itself: so the result is always a whole model.
   *
   * @example
   * const optimizer = new RMSProp(core, { w }, { emaDecay: 0.999 });
   * optimizer.step({ w: gradient });
   * const { w: smooth } = optimizer.averaged();
   */
  averaged(): ParameterCopies {
    this.#assertLive();
    const copies = this.#sets.map(({ kind, slots }) => {
      const values = slots.map((slot) => {
        const { array, tensor, states, iterations, group } = slot;
        const average = states[AVERAGE];
        const isThere = iterations > 0 || group.plan.average?.startsAtParameter;
        return (average && isThere ? average.data : (array ?? tensor.data)).slice();
      });
      if (kind === "single") return values[0]!;
      return kind === "list" ? values : Object.fromEntries(slots.map(({ key }, i) => [key, values[i]!]));
    });
    return this.#sets[0]!.index < 0 ? copies[0]! : copies;
  }

  /**
   * Changes options between steps. State arrays that an option now needs are made, with their start value; those that
   * nothing needs any more are dropped. An average that begins late begins as a copy of its parameter.
   *
   * @param options as for the constructor; what is not named stays as it is, `undefined` brings the default back
   * @param group index of the group that they are for, as in `description().groups`. Without it they are for all
   *   groups, and take the place of groups' own.
   * @throws OptionError for what the constructor would refuse, for an option that cannot change (`initialScale` and such,
   *   `accumulationSteps` in the middle of an accumulation), OutOfMemoryError; nothing has then changed
   * @example
   * optimizer.setOptions({ weightDecay: 0.01, momentum: 0.9 });
   */
  setOptions(options: OptionChanges<Options & StepOptions>, group?: number): void {
    this.#assertLive();
    const isForAll = group === undefined;
    if (!isForAll) checkInteger("group", group, 0, this.#groups.length - 1);
    checkKeys("options", options, isForAll ? [...this.#groupKeys, ...STEP_KEYS] : this.#groupKeys);
    for (const key of this.#method.fixedKeys ?? []) {
      if (Object.hasOwn(options, key)) throw new OptionError(`options.${key} is fixed once an optimizer is made`);
    }
    const all: OptionChanges<GroupOptions & StepOptions> = { ...this.#step, ...options };
    const { onNonFinite, accumulationSteps, ...changes } = all;
    const step = checkStepOptions({ onNonFinite, accumulationSteps });
    if (this.#accumulated > 0 && step.accumulationSteps !== this.#step.accumulationSteps) {
      const progress = `${this.#accumulated} of ${this.#step.accumulationSteps}`;
      throw new OptionError(`accumulationSteps cannot change while ${progress} gradients are accumulated`);
    }
    const { learningRate, ...ofGroups } = changes;
    let rate = this.#learningRate;
    if (isForAll && Object.hasOwn(changes, "learningRate")) {
      rate = checkLearningRate("learningRate", learningRate ?? this.#method.learningRate);
    }
    const defaults = isForAll ? given({ ...this.#defaults, ...ofGroups }) : this.#defaults;
    const owns = this.#groups.map(({ own, index }) => {
      if (!isForAll) return index === group ? given({ ...own, ...changes }) : own;
      return Object.fromEntries(Object.entries(own).filter(([key]) => !Object.hasOwn(changes, key)));
    });
    const plans = this.#groups.map(({ prefix }, i) => {
      return this.#plan(defaults, owns[i]!, prefix, step.accumulationSteps);
    });
    const { states, table } = this.#orNothing(() => ({
      states: this.#slots.map((slot) => this.#makeStates(slot, plans[slot.group.index]!)),
      table: this.#own(new SegmentTable(this.core, this.#slots.length, this.#groups.length)),
    }));

    this.#step = step;
    this.#learningRate = rate;
    this.#defaults = defaults;
    this.#groups.forEach((each, i) => {
      each.own = owns[i]!;
      each.ownRate = each.own.learningRate;
      each.plan = plans[i]!;
    });
    this.#slots.forEach((slot, i) => {
      for (const [k, state] of slot.states.entries()) if (state !== states[i]![k]) this.#drop(state);
      slot.states = states[i]!;
    });
    this.#useTable(table);
  }

  /**
   * Adds a group of parameters with options of its own. Records join: if the optimizer was made for a record, the new
   * names belong to the same record of gradients. Otherwise gradients are from now on given as for groups, the new ones
   * as the last entry.
   *
   * @param params as for the constructor, but no groups; names must be new, and those of lists count on
   * @param options of this group, over the optimizer's
   * @throws OptionError, DisposedError, OutOfMemoryError; nothing has then changed
   * @example
   * optimizer.add({ head: core.tensor([16, 10]) }, { learningRate: 0.01 });
   */
  add(params: ParameterSet, options?: Options): void {
    this.#assertLive();
    const own = options ?? {};
    checkKeys("options", own, this.#groupKeys);
    const index = this.#groups.length;
    const [first] = this.#sets as [SlotSet];
    const joins = first.index < 0 && first.kind === "record" && isRecord(params);
    const position = this.#sets.length;
    const path = joins ? "params" : `params[${position}].params`;
    const set = collectSet(this.core, params, path, this.#slots.length);
    const present = this.#slots.map(({ name, key, path, tensor, array }) => ({
      name,
      key,
      path,
      value: array ?? tensor,
    }));
    checkDistinct(this.core, [...present, ...set.entries]);
    const slotSet = joins ? first : newSet(set.kind, position);
    this.#addGroups([this.#planGroup(`params[${index}].`, given(own), index, set, slotSet)]);
    if (!joins && first.index < 0) first.index = 0;
  }

  /**
   * Ignores the gradients of a parameter from now on, in norms too: its value and state stay. They may be given or not,
   * and are not checked. `state()` does not hold what is frozen.
   *
   * @param name the parameter's name, its index for lists
   * @throws OptionError for a name that there is not
   * @example
   * optimizer.freeze("embedding");
   */
  freeze(name: string): void {
    this.#slotNamed(name).frozen = true;
  }

  /**
   * Takes a parameter's gradients again.
   *
   * @throws OptionError for a name that there is not
   * @example
   * optimizer.unfreeze("embedding");
   */
  unfreeze(name: string): void {
    this.#slotNamed(name).frozen = false;
  }

  /**
   * What the optimizer is, as plain data: its class, and for each group the parameters' names and the options that were
   * given for them. Without its state, what is frozen, `onNonFinite` and `accumulationSteps`.
   *
   * @throws OptionError if a schedule returns no learning rate
   * @example
   * const { optimizer: name, groups } = optimizer.description(); // "RMSProp", [{ parameters: ["w"], options: { ... } }]
   */
  description(): OptimizerDescription {
    this.#assertLive();
    const groups = this.#groups.map(({ slots, own, ownRate, prefix }) => {
      const learningRate = rateOf(ownRate ?? this.#learningRate, this.#iterations, ownRate === undefined ? "" : prefix);
      const given = Object.entries({ ...this.#defaults, ...own, learningRate });
      // An infinite bound is none, and JSON has no word for it.
      const options = given.filter(([, value]) => value !== Number.POSITIVE_INFINITY);
      return { parameters: slots.map(({ name }) => name), options: Object.fromEntries(options) };
    });
    return { optimizer: this.#method.name, ...this.#method.constants, groups };
  }

  /** A copy of everything the optimizer remembers, in plain arrays; `load` takes it back. */
  state(): OptimizerState {
    this.#assertLive();
    return {
      iterations: this.#iterations,
      ...(this.#accumulated > 0 && { accumulatedSteps: this.#accumulated }),
      parameters: saveSlots(this.#slots, this.#stateNames),
    };
  }

  /**
   * Continues from the state of an optimizer that had the same parameters by name, and options that need the same
   * arrays, in the middle of an accumulation too. The options, the learning rate among them, stay this optimizer's.
   *
   * @throws CheckpointError naming what is missing, unknown or of another length; the state is then what it was
   */
  load(state: OptimizerState): void {
    this.#assertLive();
    const counts = loadSlots(this.#slots, this.#stateNames, this.#step.accumulationSteps, state);
    this.#iterations = counts.iterations;
    this.#accumulated = counts.accumulatedSteps;
  }

  /** Frees the state; the parameters stay. A second call does nothing, other uses afterwards throw DisposedError. */
  dispose(): void {
    this.#disposed = true;
    for (const owned of this.#owned) this.#drop(owned);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What it was made for. @internal */
  get parameters(): readonly Parameter[] {
    return this.#slots.map((slot) => slot.array ?? slot.tensor);
  }

  /** Steps taken by a parameter, and its state arrays where they lie. @internal */
  peek(name: string): { iterations: number; states: { readonly [Name in StateName]?: Tensor } } {
    const { iterations, states } = this.#slotNamed(name);
    const named = this.#stateNames.flatMap((key, k) => (states[k] ? [[key, states[k]]] : []));
    return { iterations, states: Object.fromEntries(named) };
  }

  /** The gradient of its only parameter, in the structure that `step` takes. @internal */
  structured(gradient: Tensor | Float32Array): Gradients {
    const { index, kind, slots } = this.#sets[0]!;
    const set = kind === "single" ? gradient : kind === "list" ? [gradient] : { [slots[0]!.key]: gradient };
    return index < 0 ? set : [set];
  }

  #assertLive(): void {
    if (this.#disposed) throw new DisposedError("optimizer was used after dispose()");
    this.core.assertLive();
  }

  #slotNamed(name: string): Slot {
    this.#assertLive();
    for (const slot of this.#slots) if (slot.name === name) return slot;
    throw unexpected("name", name, `one of ${this.#slots.map((slot) => `"${slot.name}"`).join(", ")}`);
  }

  /** The options of one group, its own over the optimizer's, checked and made into a plan. */
  #plan(defaults: GroupOptions, own: GroupOptions, prefix: string, accumulationSteps: number): Plan {
    const options = { ...this.#method.defaults, ...defaults, ...own };
    const name = (key: string): string => (Object.hasOwn(own, key) ? `${prefix}${key}` : key);
    if (own.learningRate !== undefined) checkLearningRate(name("learningRate"), own.learningRate);
    const { emaDecay } = options;
    if (emaDecay !== undefined) checkNumber(name("emaDecay"), emaDecay, 0, 1);
    const conditioning = resolveConditioning(options, name);
    const special = this.#method.plan(options, name, conditioning.mode);
    const initial = [...special.initial];
    initial[AVERAGE] = emaDecay === undefined ? undefined : 0;
    initial[ACCUMULATOR] = accumulationSteps > 1 ? 0 : undefined;
    return {
      mode: (conditioning.mode & ~(special.without ?? 0)) | special.mode,
      scalars: { ...conditioning.scalars, ...special.scalars },
      initial,
      correct: special.correct,
      rate: special.rate,
      average:
        emaDecay === undefined
          ? undefined
          : { decay: emaDecay, complement: 1 - emaDecay, startsAtParameter: false, ...special.average },
    };
  }

  /** What `#addGroups` makes a group of. */
  #planGroup(prefix: string, own: GroupOptions, index: number, { entries }: Pick<EntrySet, "entries">, set: SlotSet) {
    const plan = this.#plan(this.#defaults, own, prefix, this.#step.accumulationSteps);
    const group: PlannedGroup = { index, prefix, own, plan, slots: [], ownRate: undefined };
    group.ownRate = own.learningRate; // now: a field that starts as a number would box it anew for each step
    return { group, entries, set };
  }

  /** Adds all these groups or none. Throws OutOfMemoryError or DisposedError. */
  #addGroups(added: readonly { group: PlannedGroup; entries: readonly Entry[]; set: SlotSet }[]): void {
    const { slots, table } = this.#orNothing(() => {
      const slots = added.flatMap(({ group, entries, set }) =>
        entries.map((entry) => this.#makeSlot(group, set, entry)),
      );
      const [rowCount, groupCount] = [this.#slots.length + slots.length, this.#groups.length + added.length];
      return { slots, table: this.#own(new SegmentTable(this.core, rowCount, groupCount)) };
    });

    for (const { group, set } of added) {
      this.#groups.push(group);
      if (!this.#sets.includes(set)) this.#sets.push(set);
    }
    for (const slot of slots) {
      const { group, set, key, tensor, array } = slot;
      group.slots.push(slot);
      set.slots.push(slot);
      set.byKey.set(key, slot);
      if (array === undefined) this.#parameterTensors.add(tensor);
    }
    this.#slots.push(...slots);
    for (const slot of this.#slots) slot.accepted = undefined; // it may be a parameter now
    this.#useTable(table);
  }

  #makeSlot(group: Group, set: SlotSet, { name, key, path, value }: Entry): Slot {
    const array = value instanceof Tensor ? undefined : value;
    const tensor = value instanceof Tensor ? value : this.#reserve(value.length, 0);
    const slot: Slot = {
      name,
      key,
      path,
      set,
      group,
      tensor,
      array,
      states: [],
      staging: array && this.#reserve(tensor.size, 0),
      gradient: undefined,
      accepted: undefined,
      iterations: 0,
      frozen: false,
      accumulated: false,
    };
    slot.states = this.#makeStates(slot, group.plan);
    return slot;
  }

  /** The state arrays that a plan needs: those that the slot has, and new ones. */
  #makeStates({ states, tensor, array, iterations }: Slot, { initial, average }: Plan): Slot["states"] {
    return initial.map((start, k) => {
      if (start === undefined || states[k]) return start === undefined ? undefined : states[k];
      const made = this.#reserve(tensor.size, start);
      if (k === AVERAGE && (iterations > 0 || average!.startsAtParameter)) made.data.set(array ?? tensor.data);
      return made;
    });
  }

  #reserve(size: number, start: number): Tensor {
    const tensor = this.#own(this.core.tensor([size]));
    tensor.data.fill(start);
    return tensor;
  }

  #own<T extends { dispose(): void }>(owned: T): T {
    this.#owned.add(owned);
    return owned;
  }

  #drop(owned: { dispose(): void } | undefined): void {
    if (owned && this.#owned.delete(owned)) owned.dispose();
  }

  /** Reserves memory; on an error gives back what it got. */
  #orNothing<T>(reserve: () => T): T {
    const before = new Set(this.#owned);
    try {
      return reserve();
    } catch (error) {
      for (const owned of this.#owned) if (!before.has(owned)) this.#drop(owned);
      throw error;
    }
  }

  /** Writes groups and slots into a new table, and takes it. */
  #useTable(table: SegmentTable): void {
    this.#writeGroups(table, 0);
    for (const [row, slot] of this.#slots.entries()) table.writeRow(row, slot, slot.tensor.size, 0);
    this.#drop(this.#table);
    this.#table = table;
    this.#rows?.forget();
  }

  /** Writes the groups' blocks; `flip` changes the mode of those that clip by each parameter's norm. */
  #writeGroups(table: SegmentTable, flip: number): void {
    const measure = this.#groups.some(({ plan }) => plan.mode & MODE_CLIP_GLOBAL_NORM) ? MODE_MEASURE : 0;
    for (const { index, plan } of this.#groups) {
      const mode = plan.mode & MODE_CLIP_NORM ? plan.mode ^ flip : plan.mode;
      table.writeGroup(index, mode | measure, plan.scalars, plan.rate);
    }
  }

  /** A table for rows of one parameter: its norm is the norm over all of them. */
  #makeRowTable(rowCount: number): SegmentTable {
    const table = new SegmentTable(this.core, rowCount, this.#groups.length);
    this.#writeGroups(table, MODE_CLIP_NORM | MODE_CLIP_GLOBAL_NORM);
    return table;
  }

  /** Evaluates the learning rates of this step, each schedule once. */
  #readRates(): void {
    // Numbers are not handed to a function, which might box them.
    const table = this.#table;
    const iterations = this.#iterations;
    const { learningRates } = table;
    const shared = this.#learningRate;
    const rate = typeof shared === "number" ? shared : rateOf(shared, iterations, "");
    for (let i = 0; i < learningRates.length; i++) {
      const { ownRate, prefix } = this.#groups[i]!;
      if (ownRate === undefined) learningRates[i] = rate;
      else if (typeof ownRate === "number") learningRates[i] = ownRate;
      else learningRates[i] = rateOf(ownRate, iterations, prefix);
    }
    // A schedule is the caller's code: it may have disposed it, or written a table that has other rates.
    this.#assertLive();
    if (this.#table === table && this.#iterations === iterations) return;
    throw new OptionError(`learningRate(${iterations}) changed the optimizer, expected a pure function`);
  }

  /** Makes room for the gradients that come as arrays: for all of them or for none. */
  #reserveStaging(): void {
    const slots = this.#slots.filter(needsStaging);
    const made = this.#orNothing(() => slots.map(({ tensor }) => this.#reserve(tensor.size, 0)));
    for (const [i, slot] of slots.entries()) slot.staging = made[i];
  }

  /** Adds the gradients to their sums; with a divisor, for an update, the means become the gradients. */
  #accumulate(divisor: number): void {
    const table = this.#table;
    const slots = this.#slots;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      const sum = slot.states[ACCUMULATOR]!;
      let gradPtr = gradientPtr(slot);
      if (gradPtr !== 0 && !slot.accumulated) {
        sum.data.fill(0);
        slot.accumulated = true;
      }
      if (gradPtr === 0 && slot.accumulated && !slot.frozen && divisor > 0) gradPtr = sum.ptr;
      table.setGradient(i, gradPtr);
    }
    this.core.kernels(coreFamily).accumulate_f32(table.ptr, slots.length, divisor);
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      slot.gradient = divisor > 0 && slot.accumulated && !slot.frozen ? slot.states[ACCUMULATOR] : undefined;
      if (divisor > 0) slot.accumulated = false;
    }
    this.#accumulated = divisor > 0 ? 0 : this.#accumulated + 1;
  }

  /** Brings the table up to this step, and arrays into linear memory. */
  #writeTable(): void {
    const table = this.#table;
    for (let i = 0; i < this.#groups.length; i++) table.setLearningRate(i);
    for (let i = 0; i < this.#slots.length; i++) {
      const slot = this.#slots[i]!;
      const gradPtr = gradientPtr(slot);
      table.setGradient(i, gradPtr);
      if (gradPtr === 0) continue;
      table.setParameter(i, slot.tensor.ptr);
      if (slot.array !== undefined) slot.tensor.data.set(slot.array);
      this.#writeStep(table, i, slot);
    }
  }

  /** What a row of a slot's needs to know of its next step. */
  #writeStep(table: SegmentTable, row: number, slot: Slot): void {
    const { correct, average } = slot.group.plan;
    if (average !== undefined) table.setAverage(row, average, !isFirstOf(slot));
    if (correct === undefined) return;
    correct(slot.iterations + 1, this.#corrections, table.learningRates, slot.group.index);
    table.setCorrections(row, this.#corrections);
  }

  /** Calls the kernel; 0, or 1 + the index of a row that it refuses. */
  #run(table: SegmentTable, rowCount: number): number {
    const checkFinite = this.#step.onNonFinite === "propagate" ? 0 : 1;
    return this.#method.run(this.core.kernels(coreFamily), table.ptr, rowCount, checkFinite);
  }
}

/** A set that has no slots yet. */
function newSet(kind: SetKind, index: number): SlotSet {
  return { index, kind, slots: [], byKey: new Map(), wrapped: false };
}

/** The options that have a value. */
function given(options: object): GroupOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Throws OptionError unless these are options of a step; returns them with their defaults. */
function checkStepOptions({ onNonFinite = "propagate", accumulationSteps = 1 }: OptionChanges<StepOptions>) {
  checkChoice("onNonFinite", onNonFinite, ["propagate", "skip", "throw"]);
  checkInteger("accumulationSteps", accumulationSteps, 1);
  return { onNonFinite, accumulationSteps };
}

/** Returns a learning rate that is a finite number >= 0 or a function; throws OptionError for any other. @internal */
export function checkLearningRate(name: string, value: unknown): number | Schedule {
  if (typeof value === "function") return value as Schedule;
  checkFinite(name, value, 0);
  return value as number;
}

/** `prefix` is what messages put before its name. */
function rateOf(learningRate: number | Schedule, iteration: number, prefix: string): number {
  if (typeof learningRate === "number") return learningRate;
  const rate = learningRate(iteration);
  if (!(typeof rate === "number" && rate >= 0 && Math.fround(rate) < Number.POSITIVE_INFINITY)) {
    checkFinite(`${prefix}learningRate(${iteration})`, rate, 0);
  }
  return rate;
}

function nonFinite(name: string): NonFiniteError {
  return new NonFiniteError(`${name} holds NaN or ±Infinity, expected finite numbers (onNonFinite is "throw")`);
}

/** Whether the next step is the one in which a slot's average begins. */
function isFirstOf({ iterations, group }: Slot): boolean {
  return iterations === 0 && !group.plan.average?.startsAtParameter;
}

/** The address of the gradient of this step, which is copied there if it is an array; 0 without one. */
function gradientPtr({ gradient, accepted, states, staging }: Slot): number {
  if (gradient === undefined) return 0;
  if (gradient === accepted || gradient === states[ACCUMULATOR]) return (gradient as Tensor).ptr;
  staging!.data.set(gradient as Float32Array);
  return staging!.ptr;
}

/** After the kernel: arrays get their new values back. */
function finish(slot: Slot): void {
  if (slot.gradient === undefined) return;
  slot.gradient = undefined; // holds on to nothing between steps
  slot.iterations++;
  slot.array?.set(slot.tensor.data);
}

import { MODE_CLIP_GLOBAL_NORM, MODE_CLIP_NORM, MODE_MEASURE, SEGMENT_SCALARS } from "../abi/step-table.js";
import type { KernelFamily, StepKernel, StepKernelInfo } from "../backend/family.js";
import { checkFunction, checkInteger, checkKeys, unexpected } from "../checks.js";
import { Core } from "../core.js";
import { DisposedError, OptionError } from "../errors.js";
import { Tensor } from "../tensor.js";
import { accumulate, locateGradient } from "./accumulation.js";
import { TRANSFORM_KEYS } from "./gradient-transforms.js";
import { GradientReader, gradientName, listed, nonFinite } from "./gradients.js";
import {
  AVERAGE,
  checkLearningRate,
  checkStepOptions,
  type GroupOptions,
  given,
  type Hyperparameters,
  type OptimizerDescription,
  type OptionChanges,
  rateOf,
  resolveOptions,
  type Schedule,
  STEP_KEYS,
  type StepOptions,
  without,
} from "./options.js";
import { OwnedMemory } from "./owned-memory.js";
import {
  checkDistinct,
  collectParameters,
  collectSet,
  type Gradients,
  isRecord,
  type NamedParameter,
  type Parameter,
  type ParameterCopies,
  type ParameterCopy,
  type ParameterSet,
  pathOf,
  type Structure,
  type StructureKind,
} from "./parameters.js";
import { type RowIndices, type RowSteps, rowSteps } from "./row-gradient.js";
import { checkRows, IndexBuffer, RowTable } from "./rows.js";
import { asCheckpointError, type Configuration, readOptions, saveOptions, withMemories } from "./saved-options.js";
import { isStateful } from "./schedules/check.js";
import { SegmentTable } from "./segment-table.js";
import { bytesOf, checkLive, type Group, makeBlocks, Slot } from "./slots.js";
import { checkState, type OptimizerState, type ParameterState, StateLayout } from "./state.js";
import { NEXT_MEMORY, type UpdateRule } from "./update-rule.js";

/** A group that is being added: its parameters, and the structure in which their gradients will come. */
interface AddedGroup {
  readonly group: Group;
  readonly parameters: readonly NamedParameter[];
  readonly structure: Structure<Slot>;
}

/**
 * What all optimizers share: parameters, gradients and state, checked here and given to one kernel call a step. What
 * tells them apart is their `UpdateRule`.
 */
export abstract class Optimizer<Options extends GroupOptions = GroupOptions> {
  readonly core: Core;
  readonly #rule: UpdateRule<GroupOptions>;
  readonly #kernel: StepKernel;
  /** Whether it works element by element, so that rows can be updated alone. */
  readonly #isElementwise: boolean;
  /** Bytes of scratch that its kernel needs for a parameter, on all threads together; and what there is. */
  readonly #scratchBytes: ((count: number, rows: number, columns: number) => number) | undefined;
  #scratch = { ptr: 0, bytes: 0 };
  readonly #layout: StateLayout;
  readonly #groupKeys: readonly string[];
  #stepOptions: Required<StepOptions>;
  /** Options of all groups that have none of their own; but for the learning rate. */
  #shared: GroupOptions;
  #learningRate: number | Schedule;
  /** What the constructor and `add` were given, and whether it was changed since. */
  #initial!: Configuration;
  #changed = false;
  /** Whether the parameters have the values of their averages. */
  #isAveraged = false;
  readonly #groups: Group[] = [];
  readonly #structures: Structure<Slot>[] = [];
  readonly #slots: Slot[] = [];
  readonly #byName = new Map<string, Slot>();
  /** The caller's tensors, none of which may be a gradient. */
  readonly #parameterTensors = new Set<Tensor>();
  readonly #memory: OwnedMemory;
  readonly #gradients: GradientReader;
  readonly #scalars: Float64Array;
  /** Whose step these scalars are of: parameters of a group that have taken as many steps share them. */
  #scalarsGroup: Group | undefined;
  #scalarsStep = 0;
  #table!: SegmentTable;
  #rows: RowTable | undefined;
  readonly #rowIndices = new IndexBuffer();
  /** Whether some parameter is a plain array; whether some group has an average or scalars of a step. */
  #hasArrays = false;
  #hasStepWords = false;
  /** Whether the next step must read the learning rates: some are schedules, or were set since. */
  #ratesVary = true;
  /** Whether the table has the rates of the next step. */
  #ratesAreWritten = false;
  #iterations = 0;
  /** Calls of `step` since the last update. */
  #accumulated = 0;
  #disposed = false;

  /** @internal */
  protected constructor(
    core: Core,
    params: unknown,
    options: GroupOptions & StepOptions,
    rule: UpdateRule<GroupOptions>,
  ) {
    if (!(core instanceof Core)) throw unexpected("core", core, "a Core");
    core.assertLive();
    this.#groupKeys = ["learningRate", "emaDecay", ...TRANSFORM_KEYS, ...rule.optionKeys];
    const { constants = {} } = rule;
    checkKeys("options", options, [...this.#groupKeys, ...STEP_KEYS, ...Object.keys(constants)]);
    const { learningRate = rule.learningRate, ...rest } = options;
    this.core = core;
    this.#rule = rule;
    const kernels = core.kernels(rule.family as KernelFamily<Record<string, StepKernel>>);
    const { cut, scratch } = (rule.family.steps as Record<string, StepKernelInfo>)[rule.kernel]!;
    this.#kernel = kernels[rule.kernel]!;
    this.#isElementwise = cut === "elements";
    this.#scratchBytes = scratch === undefined ? undefined : kernels[scratch]!;
    this.#layout = new StateLayout(rule);
    this.#memory = new OwnedMemory(core);
    this.#gradients = new GradientReader(core, this.#structures, this.#parameterTensors);
    this.#scalars = new Float64Array(SEGMENT_SCALARS + 1 + (rule.memory?.length ?? 0)).fill(1);
    this.#stepOptions = checkStepOptions(rest, rule.accumulation);
    this.#shared = given(without(rest, { ...constants, ...this.#stepOptions }));
    this.#learningRate = checkLearningRate("learningRate", learningRate);
    const { grouped, groups } = collectParameters(core, params);
    const added = groups.map(({ path, options, kind, parameters }, index) => {
      checkKeys(path, options, this.#groupKeys);
      const structure = newStructure(kind, grouped ? index : -1);
      return { group: this.#newGroup(index, `${path}.`, given(options)), parameters, structure };
    });
    this.#addGroups(added);
    this.#initial = this.#configuration();
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
    this.#ratesVary = true;
    this.#ratesAreWritten = false;
    this.#changed = true;
  }

  /**
   * Updates every parameter that has a gradient, in place. With `accumulationSteps: n` only each n-th call does, by the
   * mean of the gradients since: their sum in the order of the calls, divided by n even if a parameter had fewer of
   * them. One that had none is passed over. `flush` ends an accumulation early, `discardGradients` drops it.
   *
   * Cost: one call into Wasm, two with accumulation, and no allocation, except for a tensor whose gradient comes as a
   * Float32Array for the first time. Parameters that are Float32Arrays are copied in and out, gradients that are, in.
   *
   * @param grads gradients in the structure of the parameters: Tensors of the parameter's shape or Float32Arrays of its
   *   length. One that is `null`, `undefined` or absent passes its parameter over: its value, state and count of steps
   *   stay. For groups: an array with, for each group, its gradients or `{ params: gradients }`; or one record of all,
   *   if the groups are records. A record's names are
   *   checked when it is not the one of the last step.
   * @throws ShapeError, OptionError, DisposedError, OutOfMemoryError; NonFiniteError with `onNonFinite: "throw"`.
   *   Parameters, state and `iterations` are then what they were; what NonFiniteError refuses after an accumulation is
   *   dropped, like what "skip" passes over, and the next call begins a new one.
   * @example
   * optimizer.step({ w: gradient });
   */
  step(grads: Gradients): void {
    this.#assertLive();
    if (!rowSteps.run?.(grads, () => this.#rowSteps())) this.#advance(grads, this.#accumulated + 1);
  }

  #rowSteps(): RowSteps {
    return {
      core: this.core,
      structures: this.#structures,
      onNonFinite: this.#stepOptions.onNonFinite,
      table: this.#rowTable(),
      slotOf: (name, path) => {
        this.#assertRowsPossible(path);
        return this.#slotNamed(name);
      },
      advance: (whole) => {
        const { iterations } = this;
        this.#advance(whole, 1);
        return this.iterations !== iterations;
      },
      update: (slot, indices, grads) => this.#updateRows(slot, indices, grads),
    };
  }

  /** Throws OptionError unless rows can be updated; `what` asks. */
  #assertRowsPossible(what: string): void {
    const { accumulationSteps } = this.#stepOptions;
    if (accumulationSteps > 1) {
      throw new OptionError(`${what} needs accumulationSteps 1, but it is ${accumulationSteps}`);
    }
    if (!this.#isElementwise) {
      throw new OptionError(`${what} needs an update rule that works element by element, ${this.#rule.name} does not`);
    }
  }

  /** Updates rows of a slot that were checked, with the rates of this step; false if a gradient was refused. */
  #updateRows(slot: Slot, indices: Float64Array, rowGrads: Tensor | Float32Array): boolean {
    const rows = this.#rowTable();
    const segmentCount = rows.write(slot, indices, rowGrads);
    const { table } = rows;
    const { index } = slot.group;
    table.rates[index] = this.#table.rates[index]!;
    table.setRate(index);
    this.#scalarsGroup = undefined;
    for (let segment = 0; segment < segmentCount; segment++) this.#writeSegmentStep(table, segment, slot);
    if (this.#run(table, segmentCount) !== 0) return false;
    const averagePtr = slot.statePtr(AVERAGE);
    if (averagePtr !== 0 && slot.averageBegins) table.copy(slot.ptr, averagePtr, slot.size);
    if (slot.memory.length > 0) this.#remember(slot);
    slot.iterations++;
    return true;
  }

  /**
   * Ends an accumulation early: an update by the mean of the gradients since the last one, of as many calls as there
   * were. Does nothing if there were none. `Trainer.fit` calls it after each epoch.
   *
   * @throws as `step`
   * @example
   * for (const batch of batches) optimizer.step(gradientsOf(batch));
   * optimizer.flush();
   */
  flush(): void {
    this.#assertLive();
    if (this.#accumulated === 0) return;
    this.#advance(this.#structures[0]!.index < 0 ? null : [], this.#accumulated, true);
  }

  /** Drops the gradients that were accumulated since the last update: the next call of `step` starts a new accumulation. */
  discardGradients(): void {
    this.#assertLive();
    this.#accumulated = 0;
    for (const slot of this.#slots) slot.accumulated = false;
  }

  /** A call of `step`, the n-th since the last update; `last`: it updates whatever `accumulationSteps` is. */
  #advance(grads: Gradients, calls: number, last = false): void {
    if (this.#isAveraged) this.#assertNotAveraged("step");
    const { accumulationSteps, onNonFinite } = this.#stepOptions;
    const isUpdate = last || calls === accumulationSteps;
    if (isUpdate && !this.#ratesAreWritten) this.#readRates();
    const iterations = this.#iterations;
    const gradients = this.#gradients;
    if (!gradients.areSame(grads) || this.#iterations !== iterations) {
      this.#readGradients(grads, isUpdate ? calls : 0, last);
      if (!isUpdate) return;
    }
    if (!this.#ratesAreWritten) this.#writeRates();
    const hasWork = this.#hasStepWords || this.#hasArrays;
    if (hasWork) this.#writeSegments();
    const refused = this.#run(this.#table, this.#slots.length);
    if (refused === 0) {
      if (hasWork) this.#takeOver();
      this.#count();
    }
    if (gradients.hasArrays) this.#slots.forEach(forgetArray);
    if (refused !== 0 && onNonFinite === "throw") throw nonFinite(gradientName(this.#slots[refused - 1]!));
  }

  /** Checks the gradients of a call and writes their addresses; with accumulation adds them to their sums. */
  #readGradients(grads: Gradients, divisor: number, last: boolean): void {
    const gradients = this.#gradients;
    const table = this.#table;
    const iterations = this.#iterations;
    const accumulated = this.#accumulated;
    gradients.read(grads);
    // Getters in it are the caller's code, as schedules are.
    this.#assertLive();
    if (this.#table !== table || this.#iterations !== iterations || this.#accumulated !== accumulated) {
      gradients.forget();
      throw new OptionError("grads changed the optimizer while it was read, expected gradients that only are read");
    }
    if (gradients.needsStaging) {
      const needsIt = ({ gradient, stagingPtr }: Slot): boolean =>
        gradient !== undefined && !(gradient instanceof Tensor) && stagingPtr === 0;
      this.#reserveStaging(this.#slots.filter(needsIt));
    }

    const slots = this.#slots;
    const { accumulationSteps, accumulation } = this.#stepOptions;
    const accumulates = accumulationSteps > 1;
    const mustRead = accumulates || gradients.hasArrays || this.#hasArrays;
    if (!mustRead && !gradients.stale) return;
    table.renew();
    if (accumulates) {
      const weight = accumulation === "running" ? (last ? 0 : -1 / (accumulated + 1)) : divisor;
      accumulate(this.core, table, slots, weight, divisor > 0, this.#rule.accumulationDrops && !last);
      this.#accumulated = divisor > 0 ? 0 : accumulated + 1;
    } else for (let i = 0; i < slots.length; i++) slots[i]!.gradPtr = locateGradient(slots[i]!, table);
    for (let i = 0; i < slots.length; i++) table.setPointers(i, slots[i]!.ptr, slots[i]!.gradPtr);
    gradients.stale = mustRead;
  }

  /**
   * Updates some rows of one parameter, a Tensor, and of its state, as if it had no others: those of an embedding that
   * a batch has touched. Weight decay, clipping (over these rows) and the average see nothing else, and nothing is made
   * up for later. It is a step: `iterations` and the parameter's own count go up by one.
   *
   * Cost: one call into Wasm, and one more for each row that is named again; the gradients are copied in.
   *
   * @param name the parameter's name, its index for lists
   * @param rowIndices integers from 0 to the length of its first axis − 1; the gradients of one that is named several
   *   times are added in the order of the call
   * @param rowGrads the gradients of these rows, one after the other: a Tensor [rowIndices.length, ...the other axes],
   *   or a Float32Array
   * @throws OptionError, ShapeError, DisposedError, OutOfMemoryError, NonFiniteError; nothing has then changed. OptionError
   *   from an optimizer whose update is not element by element: Adafactor, Muon
   * @example
   * const embedding = core.tensor([1000, 16]);
   * const optimizer = new RMSProp(core, { embedding });
   * optimizer.stepRows("embedding", [7, 42], new Float32Array(2 * 16).fill(0.1));
   * @see TensorFlow's sparse application of optimizers
   */
  stepRows(name: string, rowIndices: RowIndices, rowGrads: Tensor | Float32Array): void {
    this.#assertLive();
    this.#assertNotAveraged("stepRows");
    this.#assertRowsPossible("stepRows");
    this.#readRates();
    const indices = this.#rowIndices.read(rowIndices);
    const slot = this.#slotNamed(name); // after what may run the caller's code
    checkRows(this.core, slot, indices, rowGrads);
    if (!slot.frozen && !this.#updateRows(slot, indices, rowGrads)) {
      if (this.#stepOptions.onNonFinite === "skip") return;
      throw nonFinite("rowGrads");
    }
    this.#iterations++;
  }

  /**
   * Copies of the parameters' moving averages, in the structure of the parameters. A parameter without an average (no
   * `emaDecay`, or no step so far) is copied itself: so the result is always a whole model. Each copy has the `shape` of
   * its parameter, under which `saveCheckpoint` saves it. `withAveraged` evaluates a model with them.
   *
   * @example
   * const optimizer = new RMSProp(core, { w }, { emaDecay: 0.999 });
   * optimizer.step({ w: gradient });
   * const { w: smooth } = optimizer.averaged();
   */
  averaged(): ParameterCopies {
    this.#assertLive();
    const copies = this.#structures.map(({ kind, members }) => {
      const values = members.map((slot) => shaped((this.#averageOf(slot) ?? slot.elements()).slice(), slot.shape));
      if (kind === "single") return values[0]!;
      return kind === "list" ? values : Object.fromEntries(members.map(({ key }, i) => [key, values[i]!]));
    });
    return this.#structures[0]!.index < 0 ? copies[0]! : copies;
  }

  /**
   * Runs a function while the parameters have the values of their moving averages, and restores their own
   * afterwards, also when it throws. If it returns a promise, they are restored when it is settled. Meanwhile the
   * optimizer takes no steps, options and states.
   *
   * Cost: a copy of each parameter that has an average.
   *
   * @returns what the function returns
   * @throws OptionError within another call of it; what the function throws
   * @example
   * const { accuracy } = trainer.optimizer.withAveraged(() => trainer.evaluate(x, y));
   * const file = trainer.optimizer.withAveraged(() => saveCheckpoint({ parameters: model }));
   */
  withAveraged<T>(run: () => T): T {
    this.#assertLive();
    this.#assertNotAveraged("withAveraged");
    checkFunction("run", run);
    const own: [Slot, Float32Array][] = [];
    for (const slot of this.#slots) {
      const average = this.#averageOf(slot);
      if (average === undefined) continue;
      checkLive(slot);
      own.push([slot, slot.elements().slice()]);
    }
    for (const [slot] of own) slot.elements().set(this.#averageOf(slot)!);
    this.#isAveraged = true;
    const restore = (): void => {
      this.#isAveraged = false;
      for (const [slot, values] of own) {
        if (slot.array !== undefined || (slot.tensor!.ptr !== 0 && !this.core.disposed)) slot.elements().set(values);
      }
    };
    let result: T;
    try {
      result = run();
    } catch (error) {
      restore();
      throw error;
    }
    if (typeof (result as PromiseLike<unknown> | undefined)?.then !== "function") {
      restore();
      return result;
    }
    return Promise.resolve(result).finally(restore) as T;
  }

  /** A parameter's average, live until the memory grows; `undefined` where there is none yet. */
  #averageOf(slot: Slot): Float32Array | undefined {
    const isThere = slot.iterations > 0 || slot.group.hyper.average?.startsAtParameter;
    return isThere ? slot.state(this.core, AVERAGE) : undefined;
  }

  #assertNotAveraged(method: string): void {
    if (this.#isAveraged) throw new OptionError(`${method} was called within withAveraged, whose function is running`);
  }

  /**
   * Changes options between steps. State arrays that an option now needs are made, with their start value. Those of the
   * formula that nothing needs any more stay as they are, in the state too, and continue when the option is back, as in
   * PyTorch, timm and Keras. The average and the sums of an accumulation are dropped; an average that begins late begins
   * as a copy of its parameter.
   *
   * @param options as for the constructor; what is not named stays as it is, `undefined` brings the default back
   * @param group index of the group that they are for, as in `description().groups`. Without it they are for all
   *   groups, and take the place of groups' own.
   * @throws OptionError for what the constructor would refuse, for an option that cannot change (`initialScale` and
   * such, `accumulationSteps` in the middle of an accumulation), OutOfMemoryError; nothing has then changed
   * @example
   * optimizer.setOptions({ weightDecay: 0.01, momentum: 0.9 });
   */
  setOptions(options: OptionChanges<Options & StepOptions>, group?: number): void {
    this.#assertLive();
    this.#assertNotAveraged("setOptions");
    const isForAll = group === undefined;
    if (!isForAll) checkInteger("group", group, 0, this.#groups.length - 1);
    checkKeys("options", options, isForAll ? [...this.#groupKeys, ...STEP_KEYS] : this.#groupKeys);
    for (const key of this.#rule.fixedKeys ?? []) {
      if (Object.hasOwn(options, key)) throw new OptionError(`options.${key} is fixed once an optimizer is made`);
    }
    const all: OptionChanges<GroupOptions & StepOptions> = { ...this.#stepOptions, ...options };
    const stepOptions = checkStepOptions(all, this.#rule.accumulation);
    const changes = without(all, stepOptions);
    const { accumulationSteps, accumulation } = this.#stepOptions;
    const isSame = stepOptions.accumulationSteps === accumulationSteps && stepOptions.accumulation === accumulation;
    if (this.#accumulated > 0 && !isSame) {
      const progress = `${this.#accumulated} of ${accumulationSteps}`;
      throw new OptionError(`accumulationSteps cannot change while ${progress} gradients are accumulated`);
    }
    const { learningRate, ...ofGroups } = changes;
    let rate = this.#learningRate;
    if (isForAll && Object.hasOwn(changes, "learningRate")) {
      rate = checkLearningRate("learningRate", learningRate === undefined ? this.#rule.learningRate : learningRate);
    }
    const shared = isForAll ? given({ ...this.#shared, ...ofGroups }) : this.#shared;
    const owns = this.#groups.map(({ own, index }) => {
      if (isForAll) return without(own, changes);
      return index === group ? given({ ...own, ...changes }) : own;
    });
    const configuration = { stepOptions, learningRate: rate, shared, owns };
    this.#configure(configuration, this.#resolve(configuration));
    this.#changed = true;
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
    const first = this.#structures[0]!;
    const joins = first.index < 0 && first.kind === "record" && isRecord(params);
    const position = this.#structures.length;
    const path = joins ? "params" : `params[${position}].params`;
    const { kind, parameters } = collectSet(this.core, params, path, this.#slots.length);
    checkDistinct(this.core, this.#slots.concat(parameters as Slot[]));
    const structure = joins ? first : newStructure(kind, position);
    this.#addGroups([{ group: this.#newGroup(index, `params[${index}].`, given(own)), parameters, structure }]);
    if (!joins && first.index < 0) first.index = 0;
    this.#initial = { ...this.#initial, owns: [...this.#initial.owns, this.#groups[index]!.own] };
  }

  /**
   * Ignores the gradients of a parameter from now on, in norms too: its value and state stay. They may be given or not,
   * and are not checked. It stays frozen after `load(state())`.
   *
   * @param name the parameter's name, its index for lists
   * @throws OptionError for a name that there is not
   * @example
   * optimizer.freeze("embedding");
   */
  freeze(name: string): void {
    this.#slotNamed(name).frozen = true;
    this.#gradients.forget();
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
    this.#gradients.forget();
  }

  /**
   * What the optimizer is, as plain data: its class, and for each group the parameters' names and the options that were
   * given for them; what is frozen, `onNonFinite` and `accumulationSteps` where they are not the defaults.
   *
   * @throws OptionError if a schedule returns no learning rate
   * @example
   * const { optimizer: name, groups } = optimizer.description(); // "RMSProp", [{ parameters: ["w"], options: { ... }
   * }]
   */
  description(): OptimizerDescription {
    this.#assertLive();
    const groups = this.#groups.map(({ slots, own, ownRate, prefix }) => {
      const learningRate = rateOf(ownRate ?? this.#learningRate, this.#iterations, ownRate === undefined ? "" : prefix);
      const given = Object.entries({ ...this.#shared, ...own, learningRate });
      // An infinite bound is none, and JSON has no word for it.
      const options = given.filter(([, value]) => value !== Number.POSITIVE_INFINITY);
      return { parameters: slots.map(({ name }) => name), options: Object.fromEntries(options) };
    });
    const { onNonFinite, accumulationSteps, accumulation } = this.#stepOptions;
    const frozen = this.#slots.filter((slot) => slot.frozen).map(({ name }) => name);
    return {
      optimizer: this.#rule.name,
      ...this.#rule.constants,
      groups,
      ...(onNonFinite !== "propagate" && { onNonFinite }),
      ...(accumulationSteps > 1 && { accumulationSteps, ...(accumulation === "running" && { accumulation }) }),
      ...(frozen.length > 0 && { frozen }),
    };
  }

  /**
   * A copy of everything the optimizer remembers, as plain data; `load` takes it back. The options are in it if they were
   * changed after the constructor, or something is frozen. A schedule is code and is not in it, but what a schedule with
   * a `state` remembers is.
   */
  state(): OptimizerState {
    this.#assertLive();
    return {
      iterations: this.#iterations,
      ...(this.#accumulated > 0 && { accumulatedSteps: this.#accumulated }),
      ...(this.#hasChanged() && { options: saveOptions(this.#configuration(), this.#groups) }),
      parameters: this.#layout.save(this.core, this.#slots),
    };
  }

  /**
   * Continues from the state of an optimizer that had the same parameters by name, in the middle of an accumulation
   * too, and as if it had never stopped: what is frozen and options that were changed while it ran, the learning rate among
   * them, become the saved ones; where nothing was changed they are those of this optimizer's constructor, which must need
   * the same arrays. Set others afterwards. Where the saved optimizer had a schedule this one must have it too, and
   * keeps it.
   *
   * @throws CheckpointError naming what is missing, unknown or of another length, and for a schedule that this optimizer
   *   lacks; the state is then what it was. OutOfMemoryError
   */
  load(state: OptimizerState): void {
    this.#assertLive();
    this.#assertNotAveraged("load");
    const { options } = checkState(state);
    if (options === undefined && !this.#hasChanged()) {
      this.#loadState(state, this.#stepOptions.accumulationSteps);
      return;
    }
    const saved =
      options === undefined
        ? { ...this.#initial, frozen: new Set<string>(), memories: [] }
        : readOptions(options, this.#configuration(), this.#groups);
    const { configuration, hypers } = asCheckpointError(() => {
      checkKeys("shared", saved.shared, this.#groupKeys);
      for (const [i, own] of saved.owns.entries()) checkKeys(`groups[${i}]`, own, this.#groupKeys);
      const learningRate = checkLearningRate("learningRate", saved.learningRate);
      const configuration = {
        ...saved,
        learningRate,
        stepOptions: checkStepOptions(saved.stepOptions, this.#rule.accumulation),
      };
      return { configuration, hypers: this.#resolve(configuration) };
    });
    withMemories(saved.memories, () => {
      this.#configure(configuration, hypers, state);
    });
    for (const slot of this.#slots) slot.frozen = saved.frozen.has(slot.name);
    this.#changed = options !== undefined;
  }

  #loadState(state: OptimizerState, accumulationSteps: number): void {
    const counts = this.#layout.load(this.core, this.#slots, accumulationSteps, state);
    this.#iterations = counts.iterations;
    this.#accumulated = counts.accumulatedSteps;
  }

  /** Whether a state must have its options: they are not the constructor's, or a schedule remembers something. */
  #hasChanged(): boolean {
    if (this.#changed || this.#slots.some(({ frozen }) => frozen) || isStateful(this.#learningRate)) return true;
    return this.#groups.some(({ ownRate }) => isStateful(ownRate));
  }

  #configuration(): Configuration {
    return {
      stepOptions: this.#stepOptions,
      learningRate: this.#learningRate,
      shared: this.#shared,
      owns: this.#groups.map(({ own }) => own),
    };
  }

  /** The groups' hyper-parameters under these options. Throws OptionError. */
  #resolve({ shared, owns, stepOptions }: Configuration): Hyperparameters[] {
    return this.#groups.map(({ prefix }, i) => {
      return resolveOptions(this.#rule, shared, owns[i]!, prefix, stepOptions.accumulationSteps);
    });
  }

  /**
   * Takes these options, with the state arrays that they need, and those that a state has besides or, without one, that
   * there were. CheckpointError of a state and OutOfMemoryError leave everything as it was.
   */
  #configure(
    { stepOptions, learningRate, shared, owns }: Configuration,
    hypers: readonly Hyperparameters[],
    state?: OptimizerState,
  ): void {
    const groups = this.#groups;
    const before = groups.map(({ blocks, hyper }) => ({ blocks, hyper }));
    for (const slot of this.#slots) slot.begin();
    const table = this.#memory.transaction(() => {
      const blocks = groups.map((each, i) => {
        const keeps = (k: number): boolean =>
          state === undefined
            ? each.blocks[k] !== undefined
            : state.options !== undefined && this.#layout.has(k, each.slots, state);
        return makeBlocks(this.core, this.#memory, each, hypers[i]!, this.#rule, keeps);
      });
      const table = new SegmentTable(this.core, this.#memory, this.#slots.length, groups.length);
      for (const [i, each] of groups.entries()) Object.assign(each, { blocks: blocks[i]!, hyper: hypers[i]! });
      try {
        if (state !== undefined) this.#loadState(state, stepOptions.accumulationSteps);
      } catch (error) {
        for (const [i, each] of groups.entries()) Object.assign(each, before[i]!);
        throw error;
      }
      return table;
    });

    this.#stepOptions = stepOptions;
    this.#learningRate = learningRate;
    this.#shared = shared;
    for (const [i, each] of groups.entries()) {
      for (const [k, block] of before[i]!.blocks.entries()) {
        if (block !== undefined && block !== each.blocks[k]) this.#memory.release(block.ptr);
      }
      each.own = owns[i]!;
      each.ownRate = each.own.learningRate;
    }
    this.#useTable(table);
  }

  /** Frees the state; the parameters stay. A second call does nothing, other uses afterwards throw DisposedError. */
  dispose(): void {
    this.#disposed = true;
    this.#gradients.forget();
    this.#memory.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What it was made for. @internal */
  get parameters(): readonly Parameter[] {
    return this.#slots.map((slot) => slot.value);
  }

  /** Its parameters with their state. @internal */
  get slots(): readonly Slot[] {
    return this.#slots;
  }

  /** A copy of one parameter's state. @internal */
  peek(name: string): ParameterState {
    return this.#layout.saveSlot(this.core, this.#slotNamed(name));
  }

  #assertLive(): void {
    if (this.#disposed) throw new DisposedError("optimizer was used after dispose()");
    this.core.assertLive();
  }

  #slotNamed(name: string): Slot {
    this.#assertLive();
    const slot = this.#byName.get(name);
    if (slot !== undefined) return slot;
    throw unexpected("name", name, `one of ${listed(this.#byName.keys(), '"')}`);
  }

  #newGroup(index: number, prefix: string, own: GroupOptions): Group {
    const hyper = resolveOptions(this.#rule, this.#shared, own, prefix, this.#stepOptions.accumulationSteps);
    const group: Group = { index, prefix, own, ownRate: undefined, hyper, slots: [], blocks: [] };
    group.ownRate = own.learningRate; // now: a field that starts as a number would box it anew for each step
    return group;
  }

  /** Adds all these groups or none. Throws OutOfMemoryError or DisposedError. */
  #addGroups(added: readonly AddedGroup[]): void {
    const starts = (this.#rule.memory ?? []).map(({ start }) => start);
    const slots: Slot[] = [];
    const { rows, check } = this.#rule;
    const { table, scratch } = this.#memory.transaction(() => {
      for (const { group, parameters, structure } of added) {
        for (const parameter of parameters) {
          const slot = new Slot(parameter, structure, group, group.slots.length, starts, rows);
          check?.(slot.shape, pathOf(slot));
          group.slots.push(slot);
          slots.push(slot);
        }
        this.#reserveCopies(group.slots);
        group.blocks = makeBlocks(this.core, this.#memory, group, group.hyper, this.#rule, () => false);
      }
      const segmentCount = this.#slots.length + slots.length;
      return {
        table: new SegmentTable(this.core, this.#memory, segmentCount, this.#groups.length + added.length),
        scratch: this.#reserveScratch(slots),
      };
    });

    for (const { group, structure } of added) {
      this.#groups.push(group);
      if (!this.#structures.includes(structure)) this.#structures.push(structure);
    }
    for (const slot of slots) {
      this.#slots.push(slot);
      this.#byName.set(slot.name, slot);
      slot.structure.members.push(slot);
      slot.structure.byKey.set(slot.key, slot);
      if (slot.tensor === undefined) this.#hasArrays = true;
      else this.#parameterTensors.add(slot.tensor);
    }
    if (scratch !== this.#scratch) this.#memory.release(this.#scratch.ptr);
    this.#scratch = scratch;
    // A gradient may be a parameter now: all are checked again.
    for (const slot of this.#slots) slot.gradient = undefined;
    this.#useTable(table);
  }

  /** Scratch that is enough for these slots too. */
  #reserveScratch(slots: readonly Slot[]): { readonly ptr: number; readonly bytes: number } {
    let { bytes } = this.#scratch;
    for (const { size, rows, columns } of slots)
      bytes = Math.max(bytes, this.#scratchBytes?.(size, rows, columns) ?? 0);
    return bytes === this.#scratch.bytes ? this.#scratch : { ptr: this.#memory.allocate(bytes), bytes };
  }

  /** Room for the copies of parameters that are plain arrays, and for gradients that come as arrays. */
  #reserveCopies(slots: readonly Slot[]): void {
    const arrays = slots.filter((slot) => slot.array !== undefined);
    this.#reserveFor(arrays, (slot, ptr) => {
      slot.copy = Tensor.viewOf(this.core, [slot.size], ptr);
    });
    this.#reserveStaging(arrays);
  }

  /** Room for gradients that come as arrays. */
  #reserveStaging(slots: readonly Slot[]): void {
    this.#reserveFor(slots, (slot, ptr) => {
      slot.stagingPtr = ptr;
    });
  }

  /** Room for the elements of each of these slots: for all of them or for none. */
  #reserveFor(slots: readonly Slot[], take: (slot: Slot, ptr: number) => void): void {
    if (slots.length === 0) return;
    let bytes = 0;
    for (const slot of slots) bytes += bytesOf(slot.size);
    let ptr = this.#memory.allocate(bytes);
    for (const slot of slots) {
      take(slot, ptr);
      ptr += bytesOf(slot.size);
    }
  }

  /** Writes groups and slots into a new table, and takes it. */
  #useTable(table: SegmentTable): void {
    table.renew();
    this.#writeGroups(table, 0);
    for (const [index, slot] of this.#slots.entries()) table.writeSegment(index, slot, slot.size, 0);
    this.#table?.dispose();
    this.#table = table;
    this.#ratesAreWritten = false;
    this.#rows?.forget();
    this.#gradients.forget();
    this.#hasStepWords = this.#groups.some(
      ({ hyper }) => hyper.average !== undefined || hyper.stepScalars !== undefined,
    );
  }

  /** Writes the groups' blocks; `flip` changes the mode of those that clip by each parameter's norm. */
  #writeGroups(table: SegmentTable, flip: number): void {
    const measure = this.#groups.some(({ hyper }) => hyper.mode & MODE_CLIP_GLOBAL_NORM) ? MODE_MEASURE : 0;
    for (const { index, hyper } of this.#groups) {
      const mode = hyper.mode & MODE_CLIP_NORM ? hyper.mode ^ flip : hyper.mode;
      table.writeGroup(index, mode | measure, hyper);
    }
  }

  #rowTable(): RowTable {
    this.#rows ??= new RowTable(this.core, this.#memory, (segmentCount) => this.#makeRowTable(segmentCount));
    return this.#rows;
  }

  /** A table for rows of one parameter: its norm is the norm over all of them. */
  #makeRowTable(segmentCount: number): SegmentTable {
    const table = new SegmentTable(this.core, this.#memory, segmentCount, this.#groups.length);
    this.#writeGroups(table, MODE_CLIP_NORM | MODE_CLIP_GLOBAL_NORM);
    return table;
  }

  /** Evaluates the learning rates of this step, each schedule once. */
  #readRates(): void {
    // Numbers are not handed to a function, which might box them.
    const table = this.#table;
    const iterations = this.#iterations;
    const { rates } = table;
    const shared = this.#learningRate;
    const rate = typeof shared === "number" ? shared : rateOf(shared, iterations, "");
    this.#ratesVary = typeof shared === "function";
    for (let i = 0; i < rates.length; i++) {
      const { ownRate, prefix } = this.#groups[i]!;
      if (ownRate === undefined) rates[i] = rate;
      else if (typeof ownRate === "number") rates[i] = ownRate;
      else {
        rates[i] = rateOf(ownRate, iterations, prefix);
        this.#ratesVary = true;
      }
    }
    // A schedule is the caller's code: it may have disposed it, or written a table that has other rates.
    this.#assertLive();
    if (this.#table === table && this.#iterations === iterations) return;
    throw new OptionError(`learningRate(${iterations}) changed the optimizer, expected a pure function`);
  }

  #writeRates(): void {
    for (let i = 0; i < this.#groups.length; i++) this.#table.setRate(i);
    this.#ratesAreWritten = !this.#ratesVary;
  }

  /** Writes what changes from step to step, and copies arrays into linear memory. */
  #writeSegments(): void {
    const table = this.#table;
    const slots = this.#slots;
    table.renew();
    this.#scalarsGroup = undefined;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      if (slot.gradPtr === 0) continue;
      if (slot.array !== undefined) table.copyIn(slot.array, slot.copy!.ptr);
      if (this.#hasStepWords) this.#writeSegmentStep(table, i, slot);
    }
  }

  /** What a segment of a slot's needs to know of its next step. */
  #writeSegmentStep(table: SegmentTable, index: number, slot: Slot): void {
    const { stepScalars, average } = slot.group.hyper;
    if (average !== undefined) table.setAverage(index, average, !slot.averageBegins);
    if (stepScalars === undefined) return;
    if (slot.group !== this.#scalarsGroup || slot.iterations !== this.#scalarsStep || this.#rule.scalarsOfShape) {
      stepScalars(slot, this.#scalars, table.rates, slot.group.index);
      this.#scalarsGroup = slot.group;
      this.#scalarsStep = slot.iterations;
    }
    table.setScalars(index, this.#scalars, this.#rule.scalars ?? 2);
  }

  /** Calls the kernel; 0, or 1 + the index of a segment that it refuses. */
  #run(table: SegmentTable, segmentCount: number): number {
    const checkFinite = this.#stepOptions.onNonFinite === "propagate" ? 0 : 1;
    if (this.#scratch.ptr === 0) return this.#kernel(table.ptr, segmentCount, checkFinite);
    return this.#kernel(table.ptr, segmentCount, checkFinite, this.#scratch.ptr);
  }

  /** After the kernel: the steps are counted. */
  #count(): void {
    const slots = this.#slots;
    for (let i = 0; i < slots.length; i++) if (slots[i]!.gradPtr !== 0) slots[i]!.iterations++;
    this.#iterations++;
  }

  /** What rules remember of their steps is taken over, and arrays get their new values back. */
  #takeOver(): void {
    for (const slot of this.#slots) {
      if (slot.gradPtr === 0) continue;
      if (slot.memory.length > 0) this.#remember(slot);
      if (slot.array !== undefined) slot.array.set(slot.copy!.data);
    }
  }

  /** Takes over what the rule remembers of a slot from the step that it has made. */
  #remember(slot: Slot): void {
    const { memory } = slot;
    slot.group.hyper.stepScalars!(slot, this.#scalars, this.#table.rates, slot.group.index);
    for (let k = 0; k < memory.length; k++) memory[k] = this.#scalars[NEXT_MEMORY + k]!;
  }
}

/** An array that says its shape; as a property that comparing and listing elements pass over. */
function shaped(values: Float32Array, shape: readonly number[]): ParameterCopy {
  return Object.defineProperty(values, "shape", { value: [...shape] }) as ParameterCopy;
}

/** A structure that has no members yet. */
function newStructure(kind: StructureKind, index: number): Structure<Slot> {
  return { index, kind, members: [], byKey: new Map(), known: undefined, wrapped: false };
}

/** The caller's arrays are not kept between steps. */
function forgetArray(slot: Slot): void {
  if (!(slot.gradient instanceof Tensor)) slot.gradient = undefined;
}

import {
  engine,
  type NamedTensorMap,
  type serialization,
  Optimizer as TfOptimizer,
  type Tensor as TfTensor,
  tensor,
  type Variable,
  variable,
} from "@tensorflow/tfjs-core";
import { describe, unexpected } from "../../checks.js";
import type { Core } from "../../core.js";
import { CheckpointError, DisposedError, NonFiniteError, OptionError, ShapeError } from "../../errors.js";
import type { Optimizer } from "../../optim/optimizer.js";
import { checkLearningRate, type GroupOptions, type Schedule, type StepOptions } from "../../optim/options.js";
import type { ParameterState, StateName } from "../../optim/state.js";
import type { Tensor } from "../../tensor.js";
import { assign, currentBridge, type MemoryBridge } from "../memory-bridge.js";
import {
  ACCUMULATED_STEPS,
  type Column,
  checkShape,
  matchNames,
  type NamedTensor,
  readWeights,
  type SavedVariable,
} from "./weights.js";

/** Options of an optimizer, whichever it is. */
export type CommonOptions = GroupOptions & StepOptions;

/** What tells one optimizer of TensorFlow.js from another. @internal */
export interface Kind<Options> {
  make(core: Core, params: { [name: string]: Tensor | Float32Array }, options: Options): Optimizer;
  /** Its state, in the order in which TensorFlow.js saves it. */
  readonly columns: readonly Column[];
}

/** A variable with what belongs to it. */
interface Entry {
  readonly variable: Variable;
  /** What the kernels see of the variable and of its gradient. */
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  readonly weights: Weight[];
}

/** What `getWeights` tells of a state array. The variable is there from the start, and is given its content then. */
interface Weight {
  readonly name: string;
  readonly column: Column;
  readonly shape: number[];
  variable: Variable;
}

/** A variable, by the name it is registered with, and its gradient if it has one. */
interface Update {
  readonly name: string;
  readonly variable: Variable;
  readonly gradient: TfTensor | undefined;
}

const AVERAGE: Column = { suffix: "average", state: "parameterAverage" };
/** In the middle of an accumulation, of a variable that has had a gradient in it. */
const SUM: Column = { suffix: "gradientSum", state: "gradientSum" };

/** Options that have another name in TensorFlow.js. */
const WORDS = [
  ["eps", "epsilon"],
  ["nesterov", "useNesterov"],
  ["initialScale", "initialAccumulatorValue"],
] as const;

/**
 * An optimizer of TensorFlow.js whose steps Lanewise's kernels make. State belongs to a variable, not to a place in the
 * list of gradients: variables may come, go, change their order and be passed over.
 *
 * On the wasm backend variables, gradients and state are used in place, in its heap; on others variables and gradients
 * are copied. `path` says which.
 */
export abstract class LanewiseOptimizer<Options extends CommonOptions = CommonOptions> extends TfOptimizer {
  readonly #kind: Kind<Options>;
  readonly #options: Options;
  readonly #columns: readonly Column[];
  /** The state arrays that these options need at any time: those of an accumulation are needed only within one. */
  readonly #needed: readonly StateName[];
  readonly #accumulationSteps: number;
  #bridge: MemoryBridge;
  /** For the variables of `#entries`; there is none while they are none. */
  #inner: Optimizer | undefined;
  #entries = new Map<string, Entry>();
  /** What `setWeights` brought and no variable has claimed yet. */
  readonly #loaded = new Map<string, { saved: SavedVariable; weights: Weight[] }>();
  /** Calls of `applyGradients` since the last update, in the middle of an accumulation. */
  #accumulatedSteps = 0;
  /** What `getWeights` calls `iter` and `accumulatedSteps`. */
  #iter: Variable;
  #accumulated: Variable | undefined;
  #disposed = false;

  /** @internal */
  protected constructor(kind: Kind<Options>, options: Options) {
    super();
    this.#kind = kind;
    this.#options = { ...options };
    this.#columns = [...kind.columns, AVERAGE, SUM];
    this.#accumulationSteps = options.accumulationSteps ?? 1;
    this.#bridge = currentBridge();
    // Checks the options, and says what they amount to.
    const trial = kind.make(this.#bridge.core, { trial: new Float32Array(1) }, this.#options);
    this.#options.learningRate ??= trial.learningRate;
    const { iterations: _, ...states } = trial.peek("trial");
    this.#needed = Object.keys(states) as StateName[];
    trial.dispose();
    this.iterations_ = 0;
    this.#iter = asVariable(tensor(Int32Array.of(0), [], "int32"));
    if (this.#accumulationSteps > 1) this.#accumulated = asVariable(tensor(Int32Array.of(0), [], "int32"));
  }

  /** Where steps run, in words: the backend, the kernels, and whether anything is copied. */
  get path(): string {
    return currentBridge().path;
  }

  /** What the next step uses. Set it to a finite number >= 0 or to a function of the iteration. */
  get learningRate(): number {
    const { learningRate } = this.#options;
    return typeof learningRate === "function" ? learningRate(this.iterations) : learningRate!;
  }

  set learningRate(value: number | Schedule) {
    checkLearningRate("learningRate", value);
    this.#options.learningRate = value;
    if (this.#inner) this.#inner.learningRate = value;
  }

  /** The same as setting `learningRate`. */
  setLearningRate(learningRate: number | Schedule): void {
    this.learningRate = learningRate;
  }

  /**
   * Updates the variables that have a gradient; `minimize` and `fit` call it.
   *
   * @param variableGradients gradients by the names of their variables, as a record or as a list
   * @throws OptionError, ShapeError, DisposedError, OutOfMemoryError, NonFiniteError; CheckpointError if weights were set
   *   that do not fit. Variables and state are then what they were.
   */
  override applyGradients(variableGradients: NamedTensorMap | NamedTensor[]): void {
    if (this.#disposed) throw new DisposedError("optimizer was used after dispose()");
    const updates = collect(variableGradients);
    const isUpdate = this.#accumulatedSteps + 1 >= this.#accumulationSteps;
    const bridge = this.#prepare(updates, isUpdate);
    const inner = this.#inner;
    if (inner === undefined) {
      this.#countStep();
      if (this.#accumulatedSteps === 0) this.iterations_++;
      return;
    }
    const changing = this.#entriesOfSums(isUpdate);
    for (const { name, gradient } of updates) if (gradient !== undefined) changing.add(this.#entries.get(name)!);
    for (const { variable, parameter } of changing) bridge.readVariable(variable, parameter);
    const gradients: Record<string, Tensor> = Object.create(null);
    for (const { name, gradient } of updates) {
      if (gradient === undefined) continue;
      const entry = this.#entries.get(name)!;
      bridge.readGradient(gradient, entry.gradient);
      gradients[name] = entry.gradient;
    }
    try {
      inner.step(gradients);
    } catch (error) {
      if (error instanceof NonFiniteError) this.#endAccumulation();
      throw error;
    }
    this.#countStep();
    this.#takeOver(inner, changing);
  }

  /**
   * Ends an accumulation early (`accumulationSteps`): an update by the mean of the gradients since the last one, of as
   * many calls of `applyGradients` as there were. Does nothing if there were none. Call it after `fit`, or the gradients
   * that are left over count in the next one.
   *
   * @throws as `applyGradients`
   */
  flush(): void {
    if (this.#disposed) throw new DisposedError("optimizer was used after dispose()");
    if (this.#accumulatedSteps === 0) return;
    const bridge = this.#prepare([], true);
    const inner = this.#inner;
    if (inner === undefined) {
      this.#endAccumulation();
      this.iterations_++;
      return;
    }
    const changing = this.#entriesOfSums(true);
    for (const { variable, parameter } of changing) bridge.readVariable(variable, parameter);
    try {
      inner.flush();
    } catch (error) {
      if (error instanceof NonFiniteError) this.#endAccumulation();
      throw error;
    }
    this.#endAccumulation();
    this.#takeOver(inner, changing);
  }

  /** Drops the gradients that were accumulated since the last update: the next call of `applyGradients` begins anew. */
  discardGradients(): void {
    if (this.#disposed) throw new DisposedError("optimizer was used after dispose()");
    this.#inner?.discardGradients();
    this.#endAccumulation();
  }

  /** The variables that an update changes even without a gradient of their own in its call: any may have a sum. */
  #entriesOfSums(isUpdate: boolean): Set<Entry> {
    return new Set(isUpdate && this.#accumulationSteps > 1 ? this.#entries.values() : []);
  }

  /** Has the variables of a call, and in an update none that was disposed, on the backend of now. */
  #prepare(updates: readonly Update[], isUpdate: boolean): MemoryBridge {
    const bridge = currentBridge();
    const isKnown = ({ name, variable }: Update): boolean => this.#entries.get(name)?.variable === variable;
    const isLost = ([name, { variable }]: [string, Entry]): boolean => !isRegistered(name, variable);
    const loses = isUpdate && this.#accumulationSteps > 1 && [...this.#entries].some(isLost);
    if (bridge !== this.#bridge || loses || !updates.every(isKnown)) this.#build(bridge, updates);
    return bridge;
  }

  /** Hands an update on to the variables, if there was one. */
  #takeOver(inner: Optimizer, changing: Iterable<Entry>): void {
    if (inner.iterations === this.iterations_) return;
    this.iterations_ = inner.iterations;
    for (const { variable, parameter } of changing) this.#bridge.writeVariable(variable, parameter);
  }

  /**
   * Copies of the variables' moving averages (`emaDecay`), by name, for the caller to dispose. A variable without an
   * average is copied itself.
   */
  averaged(): NamedTensorMap {
    for (const { variable, parameter } of this.#entries.values()) this.#bridge.readVariable(variable, parameter);
    const averages = (this.#inner?.averaged() ?? {}) as Record<string, Float32Array>;
    const tensors = [...this.#entries].map(([name, { variable }]) => [name, tensor(averages[name]!, variable.shape)]);
    return Object.fromEntries(tensors);
  }

  /**
   * The state, in the order and under the names of TensorFlow.js's own optimizer, which can take it: `iter`, then
   * `<variable>/<suffix>`. In the middle of an accumulation the sums follow as `<variable>/gradientSum`, and the number of
   * their gradients as `accumulatedSteps`. The tensors belong to the optimizer and contain copies: asking again makes no
   * new ones.
   */
  override async getWeights(): Promise<NamedTensor[]> {
    const state = this.#inner?.state();
    const owners = [
      ...[...this.#entries].map(([name, { weights }]) => ({ weights, state: state!.parameters[name]! })),
      ...[...this.#loaded.values()].map(({ saved, weights }) => ({ weights, state: { ...saved, ...saved.arrays } })),
    ];
    const named = this.#columns.flatMap((column) =>
      owners.flatMap(({ weights, state }) => {
        const weight = weights.find((each) => each.column === column);
        const values = state[column.state];
        if (weight === undefined || (values === undefined && !column.always)) return [];
        refresh(weight, values);
        return [{ name: weight.name, tensor: weight.variable }];
      }),
    );
    const counts = owners.map(({ state }) => state.iterations);
    // TensorFlow.js reads the first number alone.
    const differ = counts.some((count) => count !== this.iterations);
    const iter = Int32Array.of(this.iterations, ...(differ ? counts : []));
    this.#iter.dispose();
    this.#iter = asVariable(tensor(iter, differ ? [iter.length] : [], "int32"));
    named.unshift({ name: "iter", tensor: this.#iter });
    if (this.#accumulatedSteps > 0) {
      this.#accumulated?.dispose();
      this.#accumulated = asVariable(tensor(Int32Array.of(this.#accumulatedSteps), [], "int32"));
      named.push({ name: ACCUMULATED_STEPS, tensor: this.#accumulated });
    }
    return named;
  }

  /**
   * Continues from what `getWeights` gave, of this kind of optimizer or of TensorFlow.js's own. A variable claims its
   * part, by its name, when it first has a gradient. The tensors are copied.
   *
   * @throws CheckpointError naming what is missing, unknown or of another type; the state is then what it was
   */
  override async setWeights(weightValues: NamedTensor[]): Promise<void> {
    const { iterations, accumulatedSteps, variables } = await readWeights(weightValues, this.#columns, this.#needed);
    if (accumulatedSteps >= this.#accumulationSteps) {
      const expected = `less than ${this.#accumulationSteps}, the accumulationSteps`;
      throw new CheckpointError(`accumulatedSteps is ${accumulatedSteps}, expected ${expected}`);
    }
    this.#clear();
    this.iterations_ = iterations;
    this.#accumulatedSteps = accumulatedSteps;
    for (const [name, saved] of variables) {
      const weights = this.#columns.flatMap((column) => {
        const values = saved.arrays[column.state];
        return values ? [weightOf(this.#bridge, name, column, saved.shape, values)] : [];
      });
      this.#loaded.set(name, { saved, weights });
    }
  }

  /** The options, under TensorFlow.js's names; a schedule as its present value. */
  override getConfig(): serialization.ConfigDict {
    const options = Object.entries({ ...this.#options, learningRate: this.learningRate });
    // An infinite bound is none, and JSON has no word for it.
    const given = options.filter(([, value]) => value !== undefined && value !== Number.POSITIVE_INFINITY);
    const words = new Map<string, string>(WORDS);
    return Object.fromEntries(given.map(([key, value]) => [words.get(key) ?? key, value as number]));
  }

  static override fromConfig<T extends serialization.Serializable>(
    Class: serialization.SerializableConstructor<T>,
    config: serialization.ConfigDict,
  ): T {
    const words = new Map<string, string>(WORDS.map(([ours, theirs]) => [theirs, ours]));
    // loadLayersModel adds its customObjects.
    const given = Object.entries(config).filter(([key, value]) => value !== null && key !== "customObjects");
    return new Class(Object.fromEntries(given.map(([key, value]) => [words.get(key) ?? key, value])));
  }

  /** Frees the state; the variables stay. */
  override dispose(): void {
    this.#clear();
    this.#iter.dispose();
    this.#accumulated?.dispose();
    this.#disposed = true;
  }

  /** The learning rate as it was set: a number or a schedule. @internal */
  get rate(): number | Schedule {
    return this.#options.learningRate!;
  }

  /**
   * An optimizer of these tensors of a core with the options and the state of this one, for the variables of the same
   * names. `join` takes its state back.
   *
   * @internal
   */
  fork(core: Core, variables: readonly Variable[], parameters: Readonly<Record<string, Tensor>>): Optimizer {
    const inner = this.#kind.make(core, { ...parameters }, this.#options);
    try {
      this.restart(inner, variables);
    } catch (error) {
      inner.dispose();
      throw error;
    }
    return inner;
  }

  /** Gives what `fork` returned the state of this optimizer. @internal */
  restart(inner: Optimizer, variables: readonly Variable[]): void {
    if (this.#disposed) throw new DisposedError("optimizer was used after dispose()");
    const bridge = currentBridge();
    const updates = variables.map((variable) => ({ name: variable.name, variable, gradient: undefined }));
    const isKnown = ({ name, variable }: Update): boolean => this.#entries.get(name)?.variable === variable;
    if (bridge !== this.#bridge || !updates.every(isKnown)) this.#build(bridge, updates);
    const state = this.#inner!.state();
    inner.load({
      ...state,
      parameters: Object.fromEntries(updates.map(({ name }) => [name, state.parameters[name]!])),
    });
  }

  /** Goes on from the state of what `fork` returned. @internal */
  join(inner: Optimizer): void {
    const [own, state] = [this.#inner!.state(), inner.state()];
    this.#inner!.load({ ...state, parameters: { ...own.parameters, ...state.parameters } });
    this.iterations_ = inner.iterations;
    this.#accumulatedSteps = state.accumulatedSteps ?? 0;
  }

  #clear(): void {
    release(this.#bridge, this.#inner, this.#entries.values());
    this.#inner = undefined;
    this.#entries.clear();
    for (const { weights } of this.#loaded.values()) for (const { variable } of weights) variable.dispose();
    this.#loaded.clear();
  }

  /** One more call of `applyGradients` has succeeded. */
  #countStep(): void {
    if (this.#accumulatedSteps + 1 < this.#accumulationSteps) this.#accumulatedSteps++;
    else this.#endAccumulation();
  }

  /** Sums that no variable has claimed belong to the accumulation that ends here. */
  #endAccumulation(): void {
    this.#accumulatedSteps = 0;
    for (const { saved } of this.#loaded.values()) delete saved.arrays.gradientSum;
  }

  /** Takes in the variables that are new, lets go of those that are no more, and moves to the bridge. */
  #build(bridge: MemoryBridge, updates: readonly Update[]): void {
    const kept = [...this.#entries].filter(([name, { variable }]) => isRegistered(name, variable));
    const variables = new Map(kept.map(([name, { variable }]) => [name, variable]));
    const added = updates.filter(({ name }) => !variables.has(name));
    if (kept.length + added.length === 0) {
      release(this.#bridge, this.#inner, this.#entries.values());
      this.#bridge = bridge;
      this.#inner = undefined;
      this.#entries = new Map();
      return;
    }
    const claims = this.#claim(added);
    for (const { name, variable } of added) variables.set(name, variable);

    const before = this.#inner?.state();
    const entries = new Map<string, Entry>();
    let inner: Optimizer | undefined;
    try {
      const parameters: Record<string, Tensor> = Object.create(null);
      for (const [name, variable] of variables) {
        const parameter = bridge.open(variable.size);
        entries.set(name, { variable, parameter, gradient: bridge.open(variable.size), weights: [] });
        bridge.readVariable(variable, parameter);
        parameters[name] = parameter;
      }
      inner = this.#kind.make(bridge.core, parameters, this.#options);
      if (before || claims.size > 0 || this.iterations > 0 || this.#accumulatedSteps > 0) {
        const state = { ...inner.state(), iterations: this.iterations, accumulatedSteps: this.#accumulatedSteps };
        for (const [name] of kept) state.parameters[name] = before!.parameters[name]!;
        for (const [name, claim] of claims) state.parameters[name] = this.#stateOf(claim);
        inner.load(state);
      }
      for (const [name, entry] of entries) entry.weights.push(...this.#weightsOf(bridge, inner, name, entry));
    } catch (error) {
      release(bridge, inner, entries.values());
      throw error;
    }
    release(this.#bridge, this.#inner, this.#entries.values());
    for (const claim of claims.values()) this.#forget(claim);
    this.#bridge = bridge;
    this.#inner = inner;
    this.#entries = entries;
  }

  /** The names that `setWeights` brought for these variables, by their own. */
  #claim(added: readonly Update[]): Map<string, string> {
    const isFirst = this.#entries.size === 0;
    const names = matchNames(
      added.map(({ name }) => name),
      [...this.#loaded.keys()],
      isFirst,
    );
    const claims = new Map<string, string>();
    added.forEach(({ name, variable }, i) => {
      const claim = names[i];
      if (claim === undefined) return;
      checkShape(claim, this.#loaded.get(claim)!.saved.shape, variable.shape);
      claims.set(name, claim);
    });
    return claims;
  }

  #stateOf(claim: string): ParameterState {
    const { iterations, arrays } = this.#loaded.get(claim)!.saved;
    const names = arrays.gradientSum === undefined ? this.#needed : [...this.#needed, SUM.state];
    return { iterations, ...Object.fromEntries(names.map((state) => [state, arrays[state]])) };
  }

  #forget(claim: string): void {
    for (const { variable } of this.#loaded.get(claim)!.weights) variable.dispose();
    this.#loaded.delete(claim);
  }

  #weightsOf(
    bridge: MemoryBridge,
    inner: Optimizer,
    name: string,
    { variable: { shape }, parameter }: Entry,
  ): Weight[] {
    const states = inner.peek(name);
    const isThere = ({ state, always }: Column): boolean =>
      states[state] !== undefined || always === true || (state === SUM.state && this.#accumulationSteps > 1);
    return this.#columns.filter(isThere).map((column) => weightOf(bridge, name, column, shape, parameter.data));
  }
}

/** `size`: numbers as many as the variable has; their values do not matter. */
function weightOf(bridge: MemoryBridge, name: string, column: Column, shape: number[], size: Float32Array): Weight {
  return { name: `${name}/${column.suffix}`, column, shape, variable: asVariable(bridge.placeholder(shape, size)) };
}

/** Gives the variable its content, in memory of its own: who gets it may keep it. Without values it is zeros. */
function refresh(weight: Weight, values: Float32Array | undefined): void {
  const { variable, shape } = weight;
  const content = values ?? new Float32Array(variable.size);
  // Handed out, it may have been disposed.
  if (isRegistered(variable.name, variable)) assign(variable, content);
  else weight.variable = asVariable(tensor(content, shape, "float32"));
}

/** A variable of TensorFlow.js that training leaves alone, in place of the tensor. */
export function asVariable(initial: TfTensor): Variable {
  const made = variable(initial, false);
  initial.dispose();
  return made;
}

function release(bridge: MemoryBridge, inner: Optimizer | undefined, entries: Iterable<Entry>): void {
  inner?.dispose();
  for (const { parameter, gradient, weights } of entries) {
    bridge.close(parameter);
    bridge.close(gradient);
    for (const { variable } of weights) variable.dispose();
  }
}

function isRegistered(name: string, variable: Variable): boolean {
  return engine().registeredVariables[name] === variable;
}

/** The gradients by their variables. Throws OptionError, ShapeError or DisposedError. */
function collect(gradients: NamedTensorMap | NamedTensor[]): Update[] {
  if (typeof gradients !== "object" || gradients === null) {
    throw unexpected("variableGradients", gradients, "a record or an array of named tensors");
  }
  const seen = new Set<string>();
  const named = Array.isArray(gradients)
    ? gradients
    : Object.entries(gradients).map(([name, tensor]) => ({ name, tensor }));
  return named.map(({ name: given, tensor }) => {
    const [name, variable] = variableNamed(given);
    if (seen.has(name)) throw new OptionError(`variableGradients has "${given}" twice`);
    seen.add(name);
    if (variable.dtype !== "float32")
      throw new OptionError(`variable "${given}" is ${variable.dtype}, expected float32`);
    const gradient = tensor ?? undefined;
    if (gradient !== undefined) checkGradient(given, gradient, variable);
    return { name, variable, gradient };
  });
}

/** A variable with the name that it is registered with; it may have been given another since. */
function variableNamed(name: string): [string, Variable] {
  const { registeredVariables } = engine();
  const variable = registeredVariables[name];
  if (variable !== undefined && Object.hasOwn(registeredVariables, name)) return [name, variable];
  const renamed = Object.entries(registeredVariables).find(([, { name: now }]) => now === name);
  if (renamed === undefined)
    throw new OptionError(`variableGradients has ${describe(name)}, which is no variable's name`);
  return renamed;
}

function checkGradient(name: string, gradient: TfTensor, { shape }: Variable): void {
  if (gradient.isDisposed) throw new DisposedError(`the gradient of "${name}" was used after dispose()`);
  if (gradient.dtype !== "float32") {
    throw new OptionError(`the gradient of "${name}" is ${gradient.dtype}, expected float32`);
  }
  const fits = gradient.shape.length === shape.length && shape.every((size, axis) => size === gradient.shape[axis]);
  if (!fits) throw new ShapeError(`the gradient of "${name}" has shape [${gradient.shape}], expected [${shape}]`);
}

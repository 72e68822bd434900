import { type Optimizer as TfOptimizer, tensor, type Variable, variable } from "@tensorflow/tfjs-core";
import type { Core } from "../../core.js";
import { Adam } from "../../optim/adam.js";
import type { Optimizer } from "../../optim/optimizer.js";
import { RMSProp } from "../../optim/rmsprop.js";
import { SGD } from "../../optim/sgd.js";
import type { StateName } from "../../optim/state.js";
import type { Tensor } from "../../tensor.js";
import { assign } from "../memory-bridge.js";
import { TfAdaGrad } from "../optimizers/adagrad.js";
import type { LanewiseOptimizer } from "../optimizers/optimizer.js";
import { Unsupported } from "./tfjs-model.js";

type Parameters = Readonly<Record<string, Tensor>>;

/** An optimizer of Lanewise's that goes on from the state of a model's, and gives it back. */
export interface OptimizerLink {
  readonly inner: Optimizer;
  /** Takes the model's state and learning rate. */
  pull(): void;
  /** Takes the learning rate, which callbacks may have changed. */
  pullRate(): void;
  /** Gives the model's optimizer the state. */
  push(): void;
}

/** Connects a model's optimizer with tensors that have the names of its variables. Throws Unsupported. */
export function linkOptimizer(
  theirs: TfOptimizer,
  core: Core,
  variables: readonly Variable[],
  parameters: Parameters,
): OptimizerLink {
  // For `instanceof` every optimizer of TensorFlow.js is one of any of its classes.
  const isOwn = typeof (theirs as Partial<LanewiseOptimizer>).fork === "function";
  if (isOwn) return new OwnLink(theirs as LanewiseOptimizer, core, variables, parameters);
  const className = theirs.getClassName();
  if (!Object.hasOwn(RULES, className)) throw new Unsupported(`the optimizer ${className}`);
  return new Link(theirs, RULES[className]!, core, variables, parameters);
}

class OwnLink implements OptimizerLink {
  readonly inner: Optimizer;
  readonly #theirs: LanewiseOptimizer;
  readonly #variables: readonly Variable[];

  constructor(theirs: LanewiseOptimizer, core: Core, variables: readonly Variable[], parameters: Parameters) {
    this.#theirs = theirs;
    this.#variables = variables;
    this.inner = theirs.fork(core, variables, parameters);
  }

  pull(): void {
    this.#theirs.restart(this.inner, this.#variables);
    this.pullRate();
  }

  pullRate(): void {
    this.inner.learningRate = this.#theirs.rate;
  }

  push(): void {
    this.#theirs.join(this.inner);
  }
}

/** State of an optimizer of TensorFlow.js: for each variable, in the order of training, what it belongs to. */
interface TfState {
  originalName: string;
  variable: Variable;
}

/** What optimizers of TensorFlow.js have besides the methods that they promise. */
type TfFields = { iterations_: number; learningRate: number; accBeta1: Variable; accBeta2: Variable } & {
  [field: string]: TfState[];
};

/** Options of an optimizer of TensorFlow.js. */
// biome-ignore lint/suspicious/noExplicitAny: each rule knows its own
type Config = Readonly<Record<string, any>>;

interface Rule {
  make(core: Core, parameters: { [name: string]: Tensor }, config: Config): Optimizer;
  /** Where TensorFlow.js keeps its state. */
  readonly columns: readonly { readonly field: string; readonly suffix: string; readonly state: StateName }[];
}

/** `tf.train.*` by class: the same formulas, but for Adam's in the same order. */
const RULES: Readonly<Record<string, Rule>> = {
  SGD: { make: (core, parameters, { learningRate }) => new SGD(core, parameters, { learningRate }), columns: [] },
  Momentum: {
    make: (core, parameters, { learningRate, momentum, useNesterov }) =>
      new SGD(core, parameters, { learningRate, momentum, nesterov: useNesterov === true }),
    columns: [{ field: "accumulations", suffix: "momentum", state: "momentumBuffer" }],
  },
  RMSProp: {
    make: (core, parameters, { learningRate, decay, momentum, epsilon, centered }) =>
      new RMSProp(core, parameters, { dialect: "tfjs", learningRate, decay, momentum, eps: epsilon, centered }),
    columns: [
      { field: "accumulatedMeanSquares", suffix: "rms", state: "squareAverage" },
      { field: "accumulatedMoments", suffix: "momentum", state: "momentumBuffer" },
      { field: "accumulatedMeanGrads", suffix: "mg", state: "gradientAverage" },
    ],
  },
  Adam: {
    make: (core, parameters, { learningRate, beta1, beta2, epsilon }) =>
      new Adam(core, parameters, { learningRate, beta1, beta2, eps: epsilon }),
    columns: [
      { field: "accumulatedFirstMoment", suffix: "m", state: "gradientAverage" },
      { field: "accumulatedSecondMoment", suffix: "v", state: "squareAverage" },
    ],
  },
  Adagrad: {
    make: (core, parameters, { learningRate, initialAccumulatorValue }) =>
      new TfAdaGrad(core, parameters, { learningRate, initialScale: initialAccumulatorValue }),
    columns: [{ field: "accumulatedGrads", suffix: "accumulator", state: "squareSum" }],
  },
};

class Link implements OptimizerLink {
  readonly inner: Optimizer;
  readonly #theirs: TfFields;
  readonly #config: Config;
  readonly #rule: Rule;
  readonly #variables: readonly Variable[];
  /** The state that both have: what it was when it was last the same. */
  #known: readonly unknown[] = [];

  constructor(theirs: TfOptimizer, rule: Rule, core: Core, variables: readonly Variable[], parameters: Parameters) {
    this.#theirs = theirs as unknown as TfFields;
    this.#config = theirs.getConfig();
    this.#rule = rule;
    this.#variables = variables;
    this.inner = rule.make(core, { ...parameters }, this.#config);
  }

  pull(): void {
    this.pullRate();
    const found = this.#stamp();
    if (found.length === this.#known.length && found.every((value, i) => value === this.#known[i])) return;
    const state = this.inner.state();
    state.iterations = this.#theirs.iterations_ ?? 0;
    for (const [i, { name }] of this.#variables.entries()) {
      const own = state.parameters[name]!;
      own.iterations = state.iterations;
      for (const { field, state: column } of this.#rule.columns) {
        const saved = this.#theirs[field]?.[i];
        if (own[column] !== undefined && saved != null) own[column] = saved.variable.dataSync().slice() as Float32Array;
      }
    }
    this.inner.load(state);
    this.#known = found;
  }

  pullRate(): void {
    const { learningRate } = this.#theirs;
    if (learningRate !== this.inner.learningRate) this.inner.learningRate = learningRate;
  }

  push(): void {
    const { iterations, parameters } = this.inner.state();
    for (const { field, suffix, state: column } of this.#rule.columns) {
      if (this.#theirs[field] === undefined || (column === "gradientAverage" && this.#config.centered === false))
        continue;
      for (const [i, { name, shape, size }] of this.#variables.entries()) {
        const values = parameters[name]![column] ?? new Float32Array(size);
        const saved = this.#theirs[field][i];
        if (saved != null) {
          assign(saved.variable, values);
          continue;
        }
        const initial = tensor(values, shape, "float32");
        this.#theirs[field][i] = { originalName: `${name}/${suffix}`, variable: variable(initial, false) };
        initial.dispose();
      }
    }
    this.#theirs.iterations_ = iterations;
    for (const [field, beta] of [
      ["accBeta1", this.#config.beta1],
      ["accBeta2", this.#config.beta2],
    ] as const) {
      if (this.#theirs[field] === undefined) continue;
      const power = tensor(Float32Array.of(beta ** (iterations + 1)), [], "float32");
      this.#theirs[field].assign(power);
      power.dispose();
    }
    // TensorFlow.js counts the steps of all as one, also of what was frozen meanwhile.
    const isOne = Object.values(parameters).every((own) => own.iterations === iterations);
    this.#known = isOne ? this.#stamp() : [];
  }

  /** What changes when the optimizer of TensorFlow.js makes a step, or is given a state. */
  #stamp(): unknown[] {
    const arrays = this.#rule.columns.flatMap(({ field }) => this.#theirs[field] ?? []);
    return [this.#theirs.iterations_ ?? 0, ...arrays.map((saved) => saved?.variable.dataId)];
  }
}

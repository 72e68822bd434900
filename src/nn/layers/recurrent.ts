import { ACTIVATION } from "../../backend/backend.js";
import { nnFamily } from "../../backend/families/nn.js";
import { recurrentFamily } from "../../backend/families/recurrent.js";
import { reduceFamily } from "../../backend/families/reduce.js";
import { GATE_ACTIVATION, SEQUENCE, SEQUENCE_BYTES } from "../../backend/sequences.js";
import { checkBoolean, checkInteger, checkKeys, checkNumber, unexpected } from "../../checks.js";
import { OptionError, ShapeError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import { glorotUniform, type Initializer, orthogonal } from "../initializers.js";
import { Layer, type LayerConfig, type ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import { multiply } from "../products.js";
import type { Address, Argument, Value } from "../value.js";
import { checkName } from "./options.js";

/** Activations inside recurrent layers. `{ hardSigmoid: slope }` is min(max(slope·x + 0.5, 0), 1). */
export type RecurrentActivation = keyof typeof GATE_ACTIVATION | { readonly hardSigmoid: number };

/** Options of every recurrent layer. */
export interface RecurrentOptions {
  /** Activation of the candidate, and of an LSTM's cell. Default `"tanh"`. */
  activation?: RecurrentActivation;
  /** Adds a vector to the product. Default true. */
  bias?: boolean;
  /** y has every step, [steps, units], instead of the last one, [units]. Default false. */
  returnSequences?: boolean;
  /** Reads x from its last step to its first; y has the steps in the order of computation. Default false. */
  goBackwards?: boolean;
  /**
   * Begins each batch with the final states of the one before it, row by row; `model.resetStates()` sets them to zeros.
   * Gradients do not go back into the batch before: truncated backpropagation through time. Default false.
   */
  stateful?: boolean;
  /**
   * The second input is a mask [steps]: where it is 0, states stay as they are and the previous output comes out again, 0
   * before the first. Ids whose padding is 0 are such a mask. Default false.
   */
  masked?: boolean;
  /** The output where the mask is 0 is 0 instead of the previous one. Default false; in `bidirectional` `returnSequences`. */
  zeroOutputForMask?: boolean;
  /** Start values of `kernel`. Default `glorotUniform()`. */
  initializer?: Initializer;
  /** Start values of `recurrent`. Default `orthogonal()`. */
  recurrentInitializer?: Initializer;
  /** Its name in the model's parameters. Default: its number. */
  name?: string;
}

/** Options of layers with gates. */
export interface GatedOptions extends RecurrentOptions {
  /** Activation of the gates. Default `"sigmoid"`; `"hardSigmoid"` has a slope of 1/6, as in Keras 3, in TensorFlow.js 0.2. */
  recurrentActivation?: RecurrentActivation;
}

/** One pass over a sequence, in one direction. @internal */
export interface SequenceRun {
  /** Time-major: [steps, rows, inputs]. */
  readonly x: Value;
  readonly steps: number;
  readonly inputs: number;
  /** [rows, steps], or 0. */
  readonly mask: Argument;
  /** Initial states, in the order of the layer's inputs; none: zeros, or what is carried. */
  readonly initial: readonly Value[];
  readonly reverse: boolean;
  readonly zeroMasked: boolean;
  /** Output of the first computed step. */
  outputAt(output: Value): Address;
  /** Elements from row to row of the output, and from step to step in the order of computation. */
  readonly outputRow: number;
  readonly outputStep: number;
}

/** What the forward pass of one direction leaves to the backward pass. @internal */
export interface SequenceState extends SequenceRun {
  /** Address of the description, rows, units, steps and U: what every kernel's arguments begin with. */
  readonly rows: readonly Argument[];
  /** [steps, rows, gates·units]: x·W + b, then what the kernel leaves, then the gradients of x·W + b. */
  readonly gates: Value;
  /** [steps + 1, rows, units]; the state before each step is at `before`, also time-major. */
  readonly states: Value;
  readonly before: Address;
  /** [steps, rows, units]: of an LSTM φ(c), of a GRU what the candidate takes from h, and then its gradient. */
  readonly extra: Value;
  readonly kernel: Value;
  readonly recurrent: Value;
  readonly bias: Value | undefined;
  readonly scratch: Argument;
}

/** The names of a kind of gates' activation, and the slope of hardSigmoid. */
export function gateOf(name: string, value: unknown): { kind: number; slope: number } {
  if (typeof value === "object" && value !== null) {
    checkKeys(name, value, ["hardSigmoid"]);
    const { hardSigmoid } = value as { hardSigmoid: number };
    checkNumber(`${name}.hardSigmoid`, hardSigmoid, 2 ** -20, 2 ** 20);
    return { kind: GATE_ACTIVATION.hardSigmoid, slope: hardSigmoid };
  }
  const kind = GATE_ACTIVATION[value as keyof typeof GATE_ACTIVATION];
  if (typeof value !== "string" || !Object.hasOwn(GATE_ACTIVATION, value)) {
    const known = Object.keys(GATE_ACTIVATION).map((key) => `"${key}"`);
    throw unexpected(name, value, `${known.join(", ")} or { hardSigmoid: slope }`);
  }
  return { kind, slope: 1 / 6 };
}

const OPTIONS = [
  "activation",
  "bias",
  "returnSequences",
  "goBackwards",
  "stateful",
  "masked",
  "zeroOutputForMask",
  "initializer",
  "recurrentInitializer",
  "name",
];

/**
 * A layer that goes through its input step by step. Its inputs are x [steps, features]; with `masked` a mask [steps];
 * and, if they are given, initial states [units].
 */
export abstract class RecurrentLayer extends Layer {
  readonly units: number;
  readonly bias: boolean;
  readonly returnSequences: boolean;
  readonly goBackwards: boolean;
  readonly stateful: boolean;
  readonly masked: boolean;
  readonly zeroOutputForMask: boolean;
  readonly innerActivation: RecurrentActivation;
  readonly recurrentActivation: RecurrentActivation;
  readonly initializer: Initializer;
  readonly recurrentInitializer: Initializer;
  /** Blocks of `units` columns in the parameters. @internal */
  abstract readonly gates: number;
  /** Names of the states. @internal */
  abstract readonly states: readonly string[];

  constructor(units: number, options: GatedOptions, ownOptions: readonly string[]) {
    checkKeys("options", options, [...OPTIONS, ...ownOptions]);
    super(checkName(options.name));
    checkInteger("units", units, 1);
    const { bias = true, returnSequences = false, goBackwards = false, stateful = false } = options;
    const { masked = false, zeroOutputForMask = false } = options;
    const flags = { bias, returnSequences, goBackwards, stateful, masked, zeroOutputForMask };
    for (const [name, value] of Object.entries(flags)) checkBoolean(name, value);
    const { activation = "tanh", recurrentActivation = "sigmoid" } = options;
    const { initializer = glorotUniform(), recurrentInitializer = orthogonal() } = options;
    for (const [name, value] of Object.entries({ initializer, recurrentInitializer })) {
      if (typeof value !== "function") throw unexpected(name, value, "a function such as glorotUniform()");
    }
    const slopes = new Set(
      [gateOf("activation", activation), gateOf("recurrentActivation", recurrentActivation)]
        .filter(({ kind }) => kind === GATE_ACTIVATION.hardSigmoid)
        .map(({ slope }) => slope),
    );
    if (slopes.size > 1)
      throw new OptionError("activation and recurrentActivation have different slopes, expected one");
    this.units = units;
    this.bias = bias;
    this.returnSequences = returnSequences;
    this.goBackwards = goBackwards;
    this.stateful = stateful;
    this.masked = masked;
    this.zeroOutputForMask = zeroOutputForMask;
    this.innerActivation = activation;
    this.recurrentActivation = recurrentActivation;
    this.initializer = initializer;
    this.recurrentInitializer = recurrentInitializer;
  }

  override config(): LayerConfig {
    const { units, bias, returnSequences, goBackwards, stateful, masked, zeroOutputForMask } = this;
    const flags = { bias, returnSequences, goBackwards, stateful, masked, zeroOutputForMask };
    return { units, activation: this.innerActivation, ...flags };
  }

  override outputShape(x: Shape, ...others: readonly Shape[]): Shape {
    const steps = checkSequence(this.kind, x, this.masked, others);
    const states = others.slice(this.masked ? 1 : 0);
    if (states.length > 0) {
      const wanted = this.states.map(() => `[${this.units}]`).join(" and ");
      const fits = states.length === this.states.length && states.every((shape) => String(shape) === `${this.units}`);
      if (!fits) {
        const given = states.map((shape) => `[${shape}]`).join(" and ");
        throw new ShapeError(`${this.kind} was applied to initial states ${given}, expected ${wanted}`);
      }
      if (this.stateful) throw new OptionError(`${this.kind} is stateful, so it takes no initial states as inputs`);
    }
    return this.returnSequences ? [steps, this.units] : [this.units];
  }

  override parameters(x: Shape): readonly ParameterSpec[] {
    const inputs = x[1]!;
    const columns = this.gates * this.units;
    const { initializer, recurrentInitializer, units } = this;
    const matrices: ParameterSpec[] = [
      { name: "kernel", shape: [inputs, columns], start: (random) => () => initializer(random, inputs, columns) },
      {
        name: "recurrent",
        shape: [units, columns],
        start: (random) => () => recurrentInitializer(random, units, columns),
      },
    ];
    return this.bias ? [...matrices, this.biasSpec()] : matrices;
  }

  override plan(builder: PlanBuilder, x: Value, ...others: readonly Value[]): Value {
    const { units, returnSequences } = this;
    const [steps, inputs] = x.shape as [number, number];
    const y = builder.value(returnSequences ? [steps, units] : [units]);
    const back = this.planSequence(builder, y, {
      x: timeMajor(builder, x),
      steps,
      inputs,
      mask: this.masked ? others[0]! : 0,
      initial: others.slice(this.masked ? 1 : 0),
      reverse: this.goBackwards,
      zeroMasked: this.zeroOutputForMask,
      outputAt: (output) => output.at(0),
      outputRow: returnSequences ? steps * units : units,
      outputStep: returnSequences ? units : 0,
    });
    builder.backward(y, back);
    return y;
  }

  /** Emits the forward pass of one direction into `y`; returns what emits the backward pass. @internal */
  planSequence(builder: PlanBuilder, y: Value, run: SequenceRun): (dy: Value) => void {
    const { units, gates: blocks } = this;
    const { steps, inputs, x, reverse } = run;
    const { rows } = builder;
    const columns = blocks * units;
    const kernel = builder.parameter("kernel");
    const recurrent = builder.parameter("recurrent");
    const bias = this.bias ? builder.parameter("bias") : undefined;
    const gates = builder.block(steps * rows * columns);
    const states = builder.block((steps + 1) * rows * units);
    multiply(builder, { m: steps * rows, n: columns, k: inputs, a: x, b: kernel, c: gates, bias });
    const state: SequenceState = {
      ...run,
      rows: [builder.constant(this.#description(rows, run)), 0, rows, units, steps, recurrent],
      gates,
      states,
      extra: builder.block(steps * rows * units),
      before: states.at(reverse ? rows * units : 0),
      kernel,
      recurrent,
      bias,
      scratch: builder.scratch(builder.kernels(recurrentFamily).recurrent_scratch_bytes(rows, units, blocks)),
    };
    const carried = this.stateful ? this.states.map((name) => builder.carried(name, [units])) : [];
    const initial = this.states.map((_, i) => run.initial[i] ?? carried[i] ?? 0);
    const final = this.states.map((_, i) => carried[i] ?? 0);
    const backward = this.emit(builder, state, initial, final, run.outputAt(y));
    return (dy) => {
      backward(
        run.outputAt(dy),
        this.states.map((_, i) => (run.initial[i] && builder.gradient(run.initial[i])) ?? 0),
      );
      const dBias = bias && builder.gradient(bias);
      if (dBias) this.emitBiasGradient(builder, state, dBias);
      const dRecurrent = builder.gradient(recurrent);
      if (dRecurrent) this.emitRecurrentGradient(builder, state, dRecurrent);
      const dKernel = builder.gradient(kernel);
      const m = steps * rows;
      if (dKernel) multiply(builder, { m: inputs, n: columns, k: m, a: x, transposeA: true, b: gates, c: dKernel });
      const dx = builder.gradient(x);
      if (dx) multiply(builder, { m, n: inputs, k: columns, a: gates, b: kernel, transposeB: true, c: dx });
    };
  }

  /** The words of the sequence's description. */
  #description(rows: number, run: SequenceRun): Uint32Array {
    const words = new Uint32Array(SEQUENCE_BYTES / 4);
    const inner = gateOf("activation", this.innerActivation);
    const outer = gateOf("recurrentActivation", this.recurrentActivation);
    const slope = inner.kind === GATE_ACTIVATION.hardSigmoid ? inner.slope : outer.slope;
    words[SEQUENCE.batch] = rows;
    words[SEQUENCE.activation] = inner.kind;
    words[SEQUENCE.recurrentActivation] = outer.kind;
    new Float32Array(words.buffer)[SEQUENCE.slope] = slope;
    words[SEQUENCE.reverse] = Number(run.reverse);
    words[SEQUENCE.everyStep] = Number(this.returnSequences);
    words[SEQUENCE.outputRow] = run.outputRow;
    words[SEQUENCE.outputStep] = run.outputStep;
    words[SEQUENCE.zeroMasked] = Number(run.zeroMasked);
    words[SEQUENCE.resetAfter] = Number(this.resetsAfter);
    return words;
  }

  /** Whether a GRU resets after the product. @internal */
  get resetsAfter(): boolean {
    return false;
  }

  /** The bias, and its start values. @internal */
  biasSpec(): ParameterSpec {
    return { name: "bias", shape: [this.gates * this.units] };
  }

  /** Emits the forward kernel; returns what emits the backward one, given the gradients of output and initial states. @internal */
  protected abstract emit(
    builder: PlanBuilder,
    state: SequenceState,
    initial: readonly Argument[],
    final: readonly Argument[],
    output: Address,
  ): (dOutput: Address, dInitial: readonly Argument[]) => void;

  /** Sums of the gates' gradients over all steps and rows, in ascending order of time, then of rows. @internal */
  emitBiasGradient(builder: PlanBuilder, { gates, steps }: SequenceState, dBias: Value): void {
    sumRows(builder, steps * builder.rows, this.gates * this.units, gates, dBias);
  }

  /** dU = Σ h₋ᵀ·da over all steps and rows, in ascending order of time, then of rows. @internal */
  emitRecurrentGradient(builder: PlanBuilder, { gates, before, steps }: SequenceState, dRecurrent: Value): void {
    const { units } = this;
    const [n, k] = [this.gates * units, steps * builder.rows];
    multiply(builder, { m: units, n, k, a: before, transposeA: true, b: gates, c: dRecurrent });
  }
}

/** Emits sums over rows, each column's in ascending order. */
export function sumRows(builder: PlanBuilder, rows: number, columns: number, x: Value, sums: Argument): void {
  builder.call(nnFamily, "activation_backward_f32", [ACTIVATION.identity, rows, columns, x, x, x, sums]);
}

/** x [rows, steps, features] as [steps, rows, features], so that the rows of a step are neighbours. */
export function timeMajor(builder: PlanBuilder, x: Value): Value {
  const [steps, features] = x.shape as [number, number];
  const { rows } = builder;
  if (rows === 1 || steps === 1) return x;
  const y = builder.value(x.shape);
  builder.call(reduceFamily, "transpose_f32", [1, rows, steps, features, x, y]);
  builder.backward(y, (dy) => {
    const dx = builder.gradient(x);
    if (dx) builder.call(reduceFamily, "transpose_f32", [1, steps, rows, features, dy, dx]);
  });
  return y;
}

/** The number of steps of x; throws ShapeError unless it is a sequence, and has its mask beside it if it needs one. */
export function checkSequence(kind: string, x: Shape, masked: boolean, others: readonly Shape[]): number {
  if (x.length !== 2) throw new ShapeError(`${kind} was applied to shape [${x}], expected [steps, features]`);
  const steps = x[0]!;
  if (masked && String(others[0]) !== String([steps])) {
    const given = others[0] === undefined ? "without a mask" : `to a mask of shape [${others[0]}]`;
    throw new ShapeError(`${kind} is masked and was applied ${given}, expected a second input of shape [${steps}]`);
  }
  return steps;
}

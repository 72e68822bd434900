import { recurrentFamily } from "../../backend/families/recurrent.js";
import { GATE_ACTIVATION, SEQUENCE, SEQUENCE_BYTES } from "../../backend/sequences.js";
import { checkBoolean, checkInteger, checkKeys, unexpected } from "../../checks.js";
import { OptionError, ShapeError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import { glorotUniform, type Initializer, orthogonal } from "../initializers.js";
import { Layer, type ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import { multiply } from "../products.js";
import type { Address, Argument, Value } from "../value.js";
import { checkName, optionList } from "./options.js";
import { type GatedOptions, gateOf, RECURRENT_OPTIONS, type RecurrentActivation } from "./recurrent-options.js";
import { checkSequence, type SequenceRun, type SequenceState, sumRows, timeMajor } from "./sequence-run.js";

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
    checkKeys("options", options, [...RECURRENT_OPTIONS, ...ownOptions]);
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

  override config(): readonly unknown[] {
    return [this.units, ...optionList(this.options())];
  }

  /** The options that it was made with. */
  protected options(): Readonly<Record<string, unknown>> {
    const { innerActivation: activation, bias, returnSequences, goBackwards, stateful } = this;
    const { masked, zeroOutputForMask, name } = this;
    return { activation, bias, returnSequences, goBackwards, stateful, masked, zeroOutputForMask, name };
  }

  override get carriesState(): boolean {
    return this.stateful;
  }

  override outputShape(...[x, ...others]: readonly [Shape, ...Shape[]]): Shape {
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

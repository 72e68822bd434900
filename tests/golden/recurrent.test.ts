import { describe, expect, it } from "vitest";
import { createCoreSync } from "../../src/entry/inline.js";
import {
  bidirectional,
  gru,
  input,
  type Layer,
  lstm,
  type MergeMode,
  Model,
  type RecurrentActivation,
  type RecurrentLayer,
  simpleRnn,
} from "../../src/nn/index.js";
import { type Bounded, Tape } from "../helpers/bounded.js";
import { type Cell, expectWithin, gatesOf, type RecurrentCase, reference } from "../helpers/recurrent.js";
import { readJson } from "./vectors.js";

interface Vectors {
  framework: string;
  cases: readonly Vector[];
}

/** A layer of a framework: what went in and what came out; see generate/recurrent.py. */
interface Vector {
  name: string;
  cell: "lstm" | "gru" | "simpleRnn";
  options: {
    returnSequences?: boolean;
    goBackwards?: boolean;
    resetAfter?: boolean;
    activation?: "relu" | "linear";
    recurrentActivation?: "hardSigmoid" | "sigmoid";
    mergeMode?: MergeMode;
  };
  batch: number;
  steps: number;
  inputs: number;
  units: number;
  x: readonly number[];
  weights: Readonly<Record<string, readonly number[]>>;
  mask?: readonly number[];
  initial?: readonly (readonly number[])[];
  dy: readonly number[];
  y: readonly number[];
  dx: readonly number[];
  gradients: Readonly<Record<string, readonly number[]>>;
  dInitial?: readonly (readonly number[])[];
}

/** What the formula gives in float64, with bounds for float32. */
function expected(vector: Vector, slope: number) {
  const { cell, options, batch, steps, inputs, units } = vector;
  const { returnSequences = false, mergeMode } = options;
  const tape = new Tape();
  const leaves = (values: readonly number[]) => values.map((value) => tape.leaf(value));
  const x = leaves(vector.x);
  const weights = Object.fromEntries(Object.entries(vector.weights).map(([name, values]) => [name, leaves(values)]));
  const states = vector.initial?.map(leaves);
  const kind: Cell = cell === "simpleRnn" ? "rnn" : cell === "gru" && options.resetAfter === false ? "gruBefore" : cell;
  const columns = gatesOf(kind) * units;
  /** Outputs of one direction by their place in [batch, steps, units] or [batch, units]. */
  const direction = (prefix: string, reverse: boolean): Bounded[] => {
    const [kernel, recurrent, bias] = ["kernel", "recurrent", "bias"].map((name) => weights[prefix + name]!) as [
      Bounded[],
      Bounded[],
      Bounded[],
    ];
    const gates: Bounded[] = [];
    for (let t = 0; t < steps; t++) {
      for (let b = 0; b < batch; b++) {
        for (let column = 0; column < columns; column++) {
          let sum = tape.leaf(0);
          for (let p = 0; p < inputs; p++) {
            const at = (b * steps + t) * inputs + p;
            sum = tape.add(sum, tape.multiply(x[at]!, kernel[p * columns + column]!));
          }
          gates.push(tape.add(sum, bias[column]!));
        }
      }
    }
    const test: RecurrentCase = {
      cell: kind,
      batch,
      steps,
      units,
      reverse,
      everyStep: returnSequences,
      zeroMasked: mergeMode !== undefined && returnSequences,
      states: states !== undefined,
      slope,
      ...(vector.mask && { mask: [...vector.mask] }),
      ...(options.activation && { activation: options.activation }),
      ...(options.recurrentActivation && { recurrentActivation: options.recurrentActivation }),
    };
    const given = { inputs: gates, recurrent, bias: bias.slice(-columns) };
    const operands = { gates: [], recurrent: [], bias: [], h0: [], c0: [] };
    const found = reference(test, operands as never, tape, { ...given, ...(states && { states }) });
    const y: Bounded[] = [];
    for (const { node, at } of found.outputs) y[at] = node;
    return y;
  };
  const merge: Record<MergeMode, (a: Bounded, b: Bounded) => Bounded> = {
    concat: (a) => a,
    sum: (a, b) => tape.add(a, b),
    mul: (a, b) => tape.multiply(a, b),
    ave: (a, b) => tape.multiply(tape.add(a, b), tape.leaf(0.5)),
  };
  let y: Bounded[];
  if (mergeMode === undefined) {
    y = direction("", options.goBackwards === true);
    if (options.goBackwards && returnSequences) {
      // In the order of computation.
      y = y.map((_, i) => {
        const [b, t, j] = [Math.floor(i / (steps * units)), Math.floor(i / units) % steps, i % units];
        return y[(b * steps + steps - 1 - t) * units + j]!;
      });
    }
  } else {
    const [ahead, back] = [direction("forward.", false), direction("backward.", true)];
    if (mergeMode !== "concat") y = ahead.map((node, i) => merge[mergeMode](node, back[i]!));
    else {
      y = [];
      for (let i = 0; i < ahead.length; i += units) y.push(...ahead.slice(i, i + units), ...back.slice(i, i + units));
    }
  }
  tape.gradients(y.map((node, i) => ({ node, weight: vector.dy[i]! })));
  return { y, x, weights, states: states ?? [] };
}

/** The same by a model. */
function computed(vector: Vector, slope: number) {
  const { cell, options, batch, steps, inputs, units } = vector;
  const { mergeMode, recurrentActivation, resetAfter, ...shared } = options;
  const gateActivation: RecurrentActivation =
    recurrentActivation === "hardSigmoid" ? { hardSigmoid: slope } : "sigmoid";
  const common = { ...shared, masked: vector.mask !== undefined, name: "layer" };
  const one: RecurrentLayer =
    cell === "lstm"
      ? lstm(units, { ...common, recurrentActivation: gateActivation })
      : cell === "gru"
        ? gru(units, { ...common, recurrentActivation: gateActivation, resetAfter: resetAfter ?? true })
        : simpleRnn(units, common);
  const layer: Layer = mergeMode === undefined ? one : bidirectional(one, { mergeMode, name: "layer" });
  const core = createCoreSync();
  const given = [vector.x, ...(vector.mask ? [vector.mask] : []), ...(vector.initial ?? [])];
  const symbols = [
    input([steps, inputs]),
    ...(vector.mask ? [input([steps])] : []),
    ...(vector.initial ?? []).map(() => input([units])),
  ];
  const model = new Model(core, { inputs: symbols, outputs: layer.apply(symbols) });
  for (const [name, values] of Object.entries(vector.weights)) model.parameters[`layer.${name}`]!.set([...values]);
  const batches = given.map((values) => Float32Array.from(values));
  const y = model.forward(batches.length === 1 ? batches[0]! : batches);
  expect(y.shape[0]).toBe(batch);
  const outputs = y.toArray(); // before the backward pass takes its memory
  const dxs = [model.backward(Float32Array.from(vector.dy))].flat();
  return {
    y: outputs as unknown,
    dx: dxs[0]!.toArray() as unknown,
    dInitial: dxs.slice(vector.mask ? 2 : 1).map((tensor) => tensor.toArray() as unknown),
    gradients: Object.fromEntries(
      Object.keys(vector.weights).map((name) => [name, model.gradients[`layer.${name}`]!.toArray() as unknown]),
    ),
    core,
  };
}

const flat = (nested: unknown): number[] => (Array.isArray(nested) ? nested : [nested]).flat(9) as number[];

describe.each([
  ["recurrent-pytorch", 1 / 6, 1e-9],
  ["recurrent-keras3", 1 / 6, 1e-9],
  ["recurrent-tfjs", 0.2, undefined],
] as const)("%s", (file, slope, closeness) => {
  const { cases } = readJson(file) as Vectors;

  it.each(cases.map((vector) => [vector.name, vector] as const))("%s", (_, vector) => {
    const right = expected(vector, slope);
    const ours = computed(vector, slope);
    const check = (what: string, nodes: Bounded[], theirs: readonly number[], values: unknown, derivative: boolean) => {
      const actual = flat(values);
      expect(actual.length, what).toBe(nodes.length);
      expect(theirs.length, what).toBe(nodes.length);
      nodes.forEach((node, i) => {
        const value = derivative ? node.gradient : node.value;
        const error = derivative ? node.gradientError : node.error;
        expect(error, "a bound that says something").toBeLessThan(1e-3);
        // The frameworks computed in float64, with hardSigmoid's slope to all digits; TensorFlow.js in float32, as we do.
        const close = closeness && vector.options.recurrentActivation === "hardSigmoid" ? 1e-7 : closeness;
        expectWithin(theirs[i]!, value, close ?? error, `the framework's ${what}[${i}]`);
        expectWithin(actual[i]!, value, error, `${what}[${i}]`);
      });
    };
    check("y", right.y, vector.y, ours.y, false);
    check("dx", right.x, vector.dx, ours.dx, true);
    for (const [name, nodes] of Object.entries(right.weights)) {
      check(`gradient of ${name}`, nodes, vector.gradients[name]!, ours.gradients[name], true);
    }
    right.states.forEach((nodes, i) => {
      check(`gradient of state ${i}`, nodes, vector.dInitial![i]!, ours.dInitial[i], true);
    });
    ours.core.dispose();
  });
});

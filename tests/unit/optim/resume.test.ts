import { describe, expect, it } from "vitest";
import { saveCheckpoint } from "../../../src/checkpoint/checkpoint.js";
import { loadCheckpoint } from "../../../src/checkpoint/load.js";
import { CheckpointError, OptionError } from "../../../src/errors.js";
import { Adam } from "../../../src/optim/adam.js";
import type { Optimizer } from "../../../src/optim/optimizer.js";
import type { ParameterCopy } from "../../../src/optim/parameters.js";
import { RMSProp } from "../../../src/optim/rmsprop.js";
import { exponentialDecay } from "../../../src/optim/schedules/decay.js";
import { type PlateauSchedule, reduceOnPlateau } from "../../../src/optim/schedules/plateau.js";
import { SGD } from "../../../src/optim/sgd.js";
import { expectSameBits } from "../../helpers/bits.js";
import { makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

const core = makeCore("js");
const SIZES = { a: 5, b: 3 };
type Params = { a: Float32Array; b: Float32Array };

const start = (): Params => ({ a: randomValues(SIZES.a, 1), b: randomValues(SIZES.b, 2) });
const gradient = (t: number): Params => ({ a: randomValues(SIZES.a, 10 + t), b: randomValues(SIZES.b, 50 + t) });

/** Runs the optimizer for six steps after `change`; the same, stopped in the middle, saved and loaded, must agree. */
function expectResumes(
  make: (params: Params) => Optimizer,
  change: (optimizer: Optimizer) => void,
  report?: (optimizer: Optimizer, t: number) => void,
): Optimizer {
  const [whole, stopped] = [start(), start()];
  const [through, first] = [make(whole), make(stopped)];
  for (const optimizer of [through, first]) {
    optimizer.step(gradient(0));
    change(optimizer);
    for (let t = 1; t < 4; t++) {
      optimizer.step(gradient(t));
      report?.(optimizer, t);
    }
  }
  const file = saveCheckpoint({ parameters: stopped, optimizer: first });
  const again = start();
  const second = make(again);
  loadCheckpoint(file, { parameters: again, optimizer: second });
  expect(second.state()).toEqual(first.state());
  expect(second.description()).toEqual(through.description());
  for (const optimizer of [through, second]) {
    for (let t = 4; t < 8; t++) {
      optimizer.step(gradient(t));
      report?.(optimizer, t);
    }
  }
  for (const name of ["a", "b"] as const) expectSameBits(again[name], whole[name], name);
  return second;
}

describe("load goes on as if the optimizer had never stopped, whatever was changed while it ran", () => {
  const rmsprop = (params: Params) => new RMSProp(core, params, { learningRate: 0.1 });
  const changes: [string, (optimizer: Optimizer) => void][] = [
    ["nothing", () => {}],
    ["a frozen parameter", (optimizer) => optimizer.freeze("b")],
    ["a learning rate set by hand", (optimizer) => Object.assign(optimizer, { learningRate: 0.003 })],
    ["options", (optimizer) => optimizer.setOptions({ weightDecay: 0.1, clipNorm: 0.5 })],
    ["options that need arrays", (optimizer) => (optimizer as RMSProp).setOptions({ momentum: 0.9, centered: true })],
    ["accumulationSteps", (optimizer) => optimizer.setOptions({ accumulationSteps: 2 })],
    ["onNonFinite", (optimizer) => optimizer.setOptions({ onNonFinite: "skip" })],
    ["an average that begins late", (optimizer) => optimizer.setOptions({ emaDecay: 0.9 })],
  ];
  it.each(changes)("%s", (_, change) => {
    expectResumes(rmsprop, change);
  });

  it("groups, each with its own changes", () => {
    const grads = (t: number) => Object.values(gradient(t));
    const make = ({ a, b }: Params) =>
      new SGD(core, [{ params: [a], momentum: 0.9 }, { params: [b] }], { learningRate: 0.1 });
    const [x, y] = [start(), start()];
    const [first, second] = [make(x), make(y)];
    first.setOptions({ learningRate: 0.01, weightDecay: 0.1 }, 1);
    first.freeze("0");
    for (let t = 0; t < 3; t++) first.step(grads(t).map((each) => [each]));
    second.load(structuredClone(first.state()));
    expect(second.description()).toEqual(first.description());
    expect(second.description()).toMatchObject({ frozen: ["0"] });
    y.a.set(x.a);
    y.b.set(x.b);
    for (const optimizer of [first, second]) optimizer.step(grads(5).map((each) => [each]));
    expectSameBits(y.b, x.b, "b");
    expectSameBits(y.a, x.a, "a");
  });

  it("what a plateau schedule remembers, also in groups", () => {
    const schedules = new Map<Optimizer, PlateauSchedule>();
    const make = (params: Params) => {
      const schedule = reduceOnPlateau(0.1, { patience: 1, factor: 0.5, cooldown: 1 });
      const optimizer = new Adam(core, params, { learningRate: schedule });
      schedules.set(optimizer, schedule);
      return optimizer;
    };
    const second = expectResumes(
      make,
      () => {},
      (optimizer) => schedules.get(optimizer)!.report(-1),
    );
    expect(second.learningRate).toBeLessThan(0.1);
  });

  it("a state of unchanged options brings those of the constructor back", () => {
    const optimizer = new SGD(core, start(), { learningRate: 0.1 });
    const state = optimizer.state();
    optimizer.freeze("a");
    optimizer.learningRate = 5;
    optimizer.setOptions({ momentum: 0.9 });
    optimizer.load(state);
    expect(optimizer.state()).toEqual(state);
    expect(optimizer.description()).toEqual(new SGD(core, start(), { learningRate: 0.1 }).description());
  });

  it("keeps a schedule, and refuses to lose one", () => {
    const schedule = exponentialDecay(0.5, 0.9);
    const first = new SGD(core, start(), { learningRate: 0.1 });
    first.learningRate = schedule;
    first.step(gradient(0));
    const lacking = new SGD(core, start(), { learningRate: 0.1 });
    const before = lacking.state();
    expect(() => lacking.load(first.state())).toThrow(CheckpointError);
    expect(() => lacking.load(first.state())).toThrow("state.options.learningRate is of a schedule, which is code");
    expect(lacking.state()).toEqual(before);
    lacking.learningRate = schedule;
    lacking.load(first.state());
    expect(lacking.learningRate).toBe(schedule(1));

    const plateau = reduceOnPlateau(0.1);
    const remembering = new SGD(core, start(), { learningRate: plateau });
    expect(() => lacking.load(remembering.state())).toThrow("has no state and load");
  });

  it("what is refused leaves options, schedules and memory as they were", () => {
    const plateau = reduceOnPlateau(0.25);
    const optimizer = new RMSProp(core, start(), { learningRate: plateau, emaDecay: 0.5 });
    optimizer.step(gradient(0));
    const { bytesInUse } = core.memory;
    const state = optimizer.state();
    const options = state.options!;
    const memory = { value: 0.125, waited: 0, cooldown: 0 };
    const spoilt: unknown[] = [
      { ...state, options: 5 },
      { ...state, options: { ...options, shared: { rho: 1 } } },
      { ...state, options: { ...options, shared: { decay: 5 } } },
      {
        ...state,
        options: {
          ...options,
          groups: [
            { parameters: ["a"], options: {} },
            { parameters: ["b"], options: {} },
          ],
        },
      },
      { ...state, options: { ...options, frozen: [5] } },
      { ...state, options: { ...options, learningRate: -1 } },
      { ...state, options: { ...options, learningRate: { schedule: { value: "x" } } } },
      { ...state, options: { ...options, learningRate: { schedule: memory }, shared: { centered: true } } },
    ];
    for (const each of spoilt) {
      expect(() => optimizer.load(each as never)).toThrow(CheckpointError);
      expect(optimizer.state()).toEqual(state);
      expect(core.memory.bytesInUse).toBe(bytesInUse);
    }
  });
});

describe("accumulation that ends early", () => {
  it.each([1, 2, 3])("flush applies the mean of %d gradients", (count) => {
    const [x, y] = [start(), start()];
    const optimizer = new SGD(core, x, { learningRate: 0.5, accumulationSteps: 4 });
    const other = new SGD(core, y, { learningRate: 0.5, accumulationSteps: Math.max(count, 1) });
    for (let t = 0; t < count; t++) for (const each of [optimizer, other]) each.step(gradient(t));
    expect(optimizer.iterations).toBe(0);
    optimizer.flush();
    optimizer.flush();
    expect(optimizer.iterations).toBe(1);
    for (const name of ["a", "b"] as const) expectSameBits(x[name], y[name], name);
    for (let t = 0; t < 4; t++) optimizer.step(gradient(t));
    expect(optimizer.iterations).toBe(2);
  });

  it("flush of groups, and of one that had no gradient", () => {
    const { a, b } = start();
    const before = b.slice();
    const optimizer = new SGD(core, [{ params: { a } }, { params: b }], { learningRate: 1, accumulationSteps: 3 });
    const start_ = a.slice();
    optimizer.step([{ a: new Float32Array(5).fill(3) }, null]);
    optimizer.flush();
    expectSameBits(
      a,
      start_.map((value) => value - 3),
      "a",
    );
    expectSameBits(b, before, "b");
  });

  it("discardGradients drops them", () => {
    const x = start();
    const before = structuredClone(x);
    const optimizer = new SGD(core, x, { accumulationSteps: 2 });
    optimizer.step(gradient(0));
    optimizer.discardGradients();
    optimizer.flush();
    expect([x, optimizer.iterations, optimizer.state().accumulatedSteps]).toEqual([before, 0, undefined]);
    optimizer.setOptions({ accumulationSteps: 1 });
  });
});

describe("averages", () => {
  const make = () => {
    const params = { w: core.tensor([2, 3], randomValues(6, 1)), x: randomValues(4, 2) };
    const optimizer = new SGD(core, params, { emaDecay: 0.5, learningRate: 0.5 });
    for (let t = 0; t < 3; t++) optimizer.step({ w: randomValues(6, t), x: randomValues(4, t) });
    return { params, optimizer };
  };

  it("averaged() has shapes, and can be saved and loaded under the model's", () => {
    const { params, optimizer } = make();
    const averaged = optimizer.averaged() as Record<"w" | "x", ParameterCopy>;
    expect([averaged.w.shape, averaged.x.shape]).toEqual([[2, 3], [4]]);
    const file = saveCheckpoint({ parameters: averaged });
    const other = { w: core.tensor([2, 3]), x: new Float32Array(4) };
    loadCheckpoint(file, { parameters: other });
    expectSameBits(other.w.data, averaged.w, "w");
    expect(file).toEqual(optimizer.withAveraged(() => saveCheckpoint({ parameters: params })));
  });

  it("withAveraged runs on them, and gives the parameters back whatever happens", async () => {
    const { params, optimizer } = make();
    const before = [params.w.data.slice(), params.x.slice()];
    const averaged = optimizer.averaged() as Record<"w" | "x", ParameterCopy>;
    const isBack = () => expect([params.w.data.slice(), params.x]).toEqual(before);
    const seen = optimizer.withAveraged(() => {
      for (const call of [
        () => optimizer.step({}),
        () => optimizer.withAveraged(() => 1),
        () => optimizer.stepRows("w", [0], new Float32Array(3)),
        () => optimizer.setOptions({ emaDecay: undefined }), // a new average would begin as the old one
        () => optimizer.load(optimizer.state()), // the parameters that belong to it would be lost
      ]) {
        expect(call).toThrow(OptionError);
      }
      return [params.w.data.slice(), params.x.slice()];
    });
    expect(seen).toEqual([averaged.w, averaged.x]);
    isBack();
    const other = makeCore("js");
    const array = new Float32Array([4]);
    const disposing = new SGD(other, { w: other.tensor([1]), array }, { emaDecay: 0.5 });
    for (let step = 0; step < 2; step++)
      disposing.step({ w: new Float32Array(1), array: new Float32Array(1).fill(-1) });
    const own = array.slice();
    disposing.withAveraged(() => other.dispose());
    expect(array).toEqual(own);
    const failure = new Error("evaluation");
    expect(() =>
      optimizer.withAveraged(() => {
        throw failure;
      }),
    ).toThrow(failure);
    isBack();
    const later = optimizer.withAveraged(async () => {
      await Promise.resolve();
      return params.x.slice();
    });
    expect(params.x).toEqual(averaged.x);
    expect(await later).toEqual(averaged.x);
    isBack();
    await expect(optimizer.withAveraged(() => Promise.reject(failure))).rejects.toThrow(failure);
    isBack();
    optimizer.step({});
  });
});

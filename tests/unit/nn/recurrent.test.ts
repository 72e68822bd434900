import { describe, expect, it } from "vitest";
import { createCore } from "../../../src/entry/inline.js";
import { OptionError, RMSProp, type Shape, ShapeError } from "../../../src/index.js";
import {
  add,
  bidirectional,
  concat,
  dense,
  dropout,
  embedding,
  flatten,
  gru,
  input,
  type Layer,
  lstm,
  Model,
  meanSquaredError,
  orthogonal,
  Random,
  Sequential,
  simpleRnn,
  softmaxCrossEntropy,
  Trainer,
  timeDistributed,
} from "../../../src/nn/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

/** Copies parameters from one model to another, names changed by `rename`. */
function copyParameters(from: Model, to: Model, rename = (name: string) => name): void {
  for (const [name, { data }] of Object.entries(to.parameters)) data.set(from.parameters[rename(name)]!.data);
}

const CELLS = [
  ["lstm", lstm, 4],
  ["gru", gru, 3],
  ["simpleRnn", simpleRnn, 1],
] as const;

describe("recurrent layers", () => {
  it("name their parameters, with these shapes", () => {
    const shapes = (layer: Layer, inputShape: Shape = [5, 3]) => {
      const core = makeCore("js");
      const { parameters, outputShape } = new Sequential(core, [layer], { inputShape });
      return [outputShape, ...Object.entries(parameters).map(([name, { shape }]) => [name, ...shape])];
    };
    expect(shapes(lstm(4))).toEqual([[4], ["0.kernel", 3, 16], ["0.recurrent", 4, 16], ["0.bias", 16]]);
    expect(shapes(gru(4, { returnSequences: true }))).toEqual([
      [5, 4],
      ["0.kernel", 3, 12],
      ["0.recurrent", 4, 12],
      ["0.bias", 2, 12],
    ]);
    expect(shapes(gru(4, { resetAfter: false, name: "memory" }))).toEqual([
      [4],
      ["memory.kernel", 3, 12],
      ["memory.recurrent", 4, 12],
      ["memory.bias", 12],
    ]);
    expect(shapes(simpleRnn(4, { bias: false }))).toEqual([[4], ["0.kernel", 3, 4], ["0.recurrent", 4, 4]]);
    expect(shapes(bidirectional(simpleRnn(4)))).toEqual([
      [8],
      ["0.forward.kernel", 3, 4],
      ["0.forward.recurrent", 4, 4],
      ["0.forward.bias", 4],
      ["0.backward.kernel", 3, 4],
      ["0.backward.recurrent", 4, 4],
      ["0.backward.bias", 4],
    ]);
    expect(
      shapes(bidirectional(simpleRnn(4, { returnSequences: true, bias: false }), { mergeMode: "sum" }))[0],
    ).toEqual([5, 4]);
    expect(shapes(timeDistributed(dense(2)))).toEqual([
      [5, 2],
      ["0.weight", 3, 2],
      ["0.bias", 2],
    ]);
    expect(shapes(timeDistributed(flatten()), [5, 2, 3])).toEqual([[5, 6]]);
  });

  it("begin with Keras' start values", () => {
    const model = new Sequential(makeCore("js"), [lstm(3)], { inputShape: [2, 4] });
    expect(Array.from(model.parameters["0.bias"]!.data)).toEqual([0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
    const zero = new Sequential(makeCore("js"), [lstm(3, { unitForgetBias: false })], { inputShape: [2, 4] });
    expect(Array.from(zero.parameters["0.bias"]!.data)).toEqual(new Array(12).fill(0));
    const limit = Math.sqrt(6 / (4 + 12));
    const kernel = model.parameters["0.kernel"]!.data;
    expect(Math.max(...kernel.map(Math.abs))).toBeLessThanOrEqual(limit);
    expect(Math.max(...kernel.map(Math.abs))).toBeGreaterThan(limit / 2);
  });

  it.each([
    [1, 1],
    [5, 5],
    [3, 12],
    [12, 3],
    [64, 256],
  ])("orthogonal: %i × %i", (rows, columns) => {
    const random = new Random(rows);
    const initializer = orthogonal();
    const a = Float64Array.from({ length: rows * columns }, () => initializer(random, rows, columns));
    const [long, short] = [Math.max(rows, columns), Math.min(rows, columns)];
    const at = (line: number, i: number) => (rows < columns ? a[line * columns + i]! : a[i * columns + line]!);
    for (let p = 0; p < short; p++) {
      for (let q = 0; q <= p; q++) {
        let sum = 0;
        for (let i = 0; i < long; i++) sum += at(p, i) * at(q, i);
        expect(Math.abs(sum - Number(p === q)), `lines ${p} and ${q}`).toBeLessThan(1e-13);
      }
    }
    // Another matrix each time, and the same from the same seed.
    const b = Float64Array.from({ length: rows * columns }, () => initializer(random, rows, columns));
    if (rows * columns > 1) expect(b).not.toEqual(a);
    const again = new Random(rows);
    const scaled = orthogonal(2);
    expect(Float64Array.from(a, () => scaled(again, rows, columns))).toEqual(a.map((x) => 2 * x));
  });

  it("orthogonal is Q with the signs of a positive diagonal of R", () => {
    // R = Qᵀ·A for the same normal matrix A.
    const [rows, columns] = [6, 4];
    const initializer = orthogonal();
    const random = new Random(7);
    const q = Float64Array.from({ length: rows * columns }, () => initializer(random, rows, columns));
    const source = new Random(7);
    const a = Float64Array.from({ length: rows * columns }, () => source.normal()); // column after column
    for (let p = 0; p < columns; p++) {
      for (let j = 0; j < columns; j++) {
        let r = 0;
        for (let i = 0; i < rows; i++) r += q[i * columns + p]! * a[j * rows + i]!;
        if (p === j) expect(r).toBeGreaterThan(0);
        if (p > j) expect(Math.abs(r)).toBeLessThan(1e-13);
      }
    }
  });

  it("refuse what they cannot do", () => {
    const refusal = (make: () => unknown, error: new (...args: never[]) => Error, text: RegExp) => {
      expect(make).toThrow(error);
      expect(make).toThrow(text);
    };
    refusal(() => lstm(0), OptionError, /units is 0/);
    refusal(
      () => lstm(2, { activation: "gelu" as "relu" }),
      OptionError,
      /activation is "gelu", expected "linear", "relu"/,
    );
    refusal(
      () => gru(2, { recurrentActivation: { hardSigmoid: Number.NaN } }),
      OptionError,
      /recurrentActivation\.hardSigmoid is NaN/,
    );
    refusal(
      () => gru(2, { activation: "hardSigmoid", recurrentActivation: { hardSigmoid: 0.2 } }),
      OptionError,
      /different slopes/,
    );
    refusal(() => simpleRnn(2, { recurrentActivation: "relu" } as object), OptionError, /recurrentActivation/);
    refusal(() => lstm(2, { resetAfter: true } as object), OptionError, /resetAfter/);
    refusal(() => lstm(2, { stateful: 1 as unknown as boolean }), OptionError, /stateful is 1/);
    refusal(() => lstm(2, { recurrentInitializer: 3 as never }), OptionError, /recurrentInitializer is 3/);
    refusal(
      () => lstm(2).apply(input([4])),
      ShapeError,
      /lstm was applied to shape \[4\], expected \[steps, features\]/,
    );
    refusal(
      () => lstm(2, { masked: true }).apply(input([4, 3])),
      ShapeError,
      /is masked and was applied without a mask/,
    );
    refusal(
      () => lstm(2, { masked: true }).apply([input([4, 3]), input([5])]),
      ShapeError,
      /applied to a mask of shape \[5\], expected a second input of shape \[4\]/,
    );
    refusal(
      () => lstm(2).apply([input([4, 3]), input([2])]),
      ShapeError,
      /lstm was applied to initial states \[2\], expected \[2\] and \[2\]/,
    );
    refusal(() => gru(2).apply([input([4, 3]), input([3])]), ShapeError, /initial states \[3\], expected \[2\]/);
    refusal(
      () => gru(2, { stateful: true }).apply([input([4, 3]), input([2])]),
      OptionError,
      /takes no initial states/,
    );
    refusal(() => bidirectional(dense(3) as never), OptionError, /layer is .*expected a recurrent layer/);
    refusal(() => bidirectional(gru(3, { goBackwards: true })), OptionError, /goes backwards/);
    refusal(() => bidirectional(gru(3), { mergeMode: "max" as "sum" }), OptionError, /mergeMode is "max"/);
    refusal(
      () => timeDistributed(dense(3)).apply(input([4])),
      ShapeError,
      /\[4\], expected \[steps, …\] with more axes/,
    );
    refusal(
      () => timeDistributed(add()).apply([input([4, 3]), input([5, 3])]),
      ShapeError,
      /\[5,3\], expected 4 steps/,
    );
  });

  it("are made again from their config", () => {
    const options = {
      activation: "relu",
      recurrentActivation: { hardSigmoid: 0.2 },
      bias: false,
      returnSequences: true,
      goBackwards: true,
      stateful: true,
      masked: true,
      zeroOutputForMask: true,
    } as const;
    for (const [make, own] of [
      [lstm, { unitForgetBias: false }],
      [gru, { resetAfter: false }],
    ] as const) {
      const args = (make as typeof lstm)(7, { ...options, ...own } as object).config();
      expect(args).toEqual([7, { ...options, ...own }]);
      expect((make as typeof lstm)(...(args as [number])).config()).toEqual(args);
    }
  });
});

describe.each(backends)("recurrent layers on %s", (backend) => {
  it.each(CELLS)("%s: the bits of a row do not depend on the rows beside it", (_, make) => {
    const core = makeCore(backend);
    const model = new Sequential(core, [make(6, { returnSequences: true }), make(5)], { inputShape: [4, 3], seed: 2 });
    const x = randomValues(300 * 12, 1);
    const all = model.predict(x).data.slice(); // in two chunks
    for (const row of [0, 1, 137, 255, 256, 299]) {
      expectSameBits(
        model.predict(x.slice(row * 12, row * 12 + 12)).data,
        all.subarray(row * 5, row * 5 + 5),
        `${row}`,
      );
    }
    core.dispose();
  });

  it.each(CELLS)("%s: states that are carried over continue a sequence", (_, make) => {
    const core = makeCore(backend);
    const [rows, steps, features, units] = [3, 4, 2, 5];
    const options = { returnSequences: true, name: "rnn" };
    const whole = new Sequential(core, [make(units, options)], { inputShape: [2 * steps, features], seed: 3 });
    const inputShape = [steps, features];
    const half = new Sequential(core, [make(units, { ...options, stateful: true })], { inputShape, seed: 3 });
    const x = randomValues(rows * 2 * steps * features, 5);
    const part = (at: 0 | 1) =>
      Float32Array.from({ length: rows * steps * features }, (_, i) => {
        const row = Math.floor(i / (steps * features));
        return x[(2 * row + at) * steps * features + (i % (steps * features))]!;
      });
    const y = whole.predict(x).data.slice();
    const expected = (at: 0 | 1) =>
      Float32Array.from({ length: rows * steps * units }, (_, i) => {
        const row = Math.floor(i / (steps * units));
        return y[(2 * row + at) * steps * units + (i % (steps * units))]!;
      });
    for (const round of [1, 2]) {
      expectSameBits(half.predict(part(0)).data, expected(0), `first half, round ${round}`);
      expectSameBits(half.predict(part(1)).data, expected(1), `second half, round ${round}`);
      half.resetStates();
    }
    // The gradient of the second half is that of its own steps, with the states as constants.
    const dy = randomValues(rows * steps * units, 6);
    half.predict(part(0));
    half.forward(part(1));
    half.backward(dy);
    const names = make === lstm ? ["h", "c"] : ["h"];
    const symbols = [input(inputShape), ...names.map(() => input([units]))];
    const given = new Model(core, { inputs: symbols, outputs: make(units, options).apply(symbols), seed: 3 });
    const slots = new Sequential(core, [make(units, { ...options, stateful: true })], { inputShape, seed: 3 });
    slots.predict(part(0));
    const carried = names.map((_, i) => {
      const key = ["rnn.state", "rnn.cell"][i]!;
      return slots.context.carried(key, rows, rows * units).data.slice();
    });
    given.forward([part(1), ...carried]);
    given.backward(dy);
    for (const name of Object.keys(given.parameters)) {
      expectSameBits(half.gradients[name]!.data, given.gradients[name]!.data, name);
    }
    core.dispose();
  });

  it("carries the state of every row of a large batch", () => {
    const core = makeCore(backend);
    const rows = 300;
    const options = { name: "rnn" };
    const whole = new Sequential(core, [simpleRnn(3, options)], { inputShape: [2, 1], seed: 3 });
    const stateful = timeDistributed(simpleRnn(3), { name: "rnn" });
    expect([stateful.carriesState, bidirectional(gru(2, { stateful: true })).carriesState]).toEqual([false, true]);
    const half = new Sequential(core, [simpleRnn(3, { ...options, stateful: true })], { inputShape: [1, 1], seed: 3 });
    const x = randomValues(2 * rows, 5);
    const part = (at: number) => x.filter((_, i) => i % 2 === at);
    const expected = whole.predict(x).data.slice();
    half.predict(part(0));
    expectSameBits(half.predict(part(1)).data, expected, "prediction");
    half.resetStates();
    const trainer = new Trainer(half, { loss: meanSquaredError(), optimizer: () => ({ step() {}, dispose() {} }) });
    trainer.evaluate(part(0), new Float32Array(3 * rows));
    expect(trainer.evaluate(part(1), expected).loss).toBe(0);
    core.dispose();
  });

  it.each(CELLS)("%s: padding that a mask leaves out changes nothing", (_, make) => {
    const core = makeCore(backend);
    const [steps, features, units] = [5, 2, 4];
    const symbols = [input([steps, features]), input([steps])];
    const options = { masked: true, name: "rnn" };
    const masked = new Model(core, { inputs: symbols, outputs: make(units, options).apply(symbols), seed: 4 });
    const lengths = [5, 1, 3];
    const x = randomValues(lengths.length * steps * features, 8);
    const mask = Float32Array.from({ length: 15 }, (_, i) => Number(i % steps < lengths[Math.floor(i / steps)]!));
    const y = masked.forward([x, mask]).data.slice();
    lengths.forEach((length, row) => {
      const inputShape = [length, features];
      const short = new Sequential(core, [make(units, { name: "rnn" })], { inputShape, seed: 4 });
      const at = row * steps * features;
      const one = short.predict(x.slice(at, at + length * features));
      expectSameBits(one.data, y.subarray(row * units, (row + 1) * units), `a sequence of ${length}`);
    });
    core.dispose();
  });

  it("takes ids whose padding is 0 as their own mask", () => {
    const core = makeCore(backend);
    const ids = input([4]);
    const y = lstm(3, { masked: true, name: "lstm" }).apply([embedding(6, 2, { name: "ids" }).apply(ids), ids]);
    const model = new Model(core, { inputs: ids, outputs: y, seed: 1 });
    const padded = model.forward([3, 5, 0, 0, 0, 0, 0, 0]).data.slice();
    expect(Array.from(padded.subarray(3))).toEqual([0, 0, 0]);
    const dx = model.backward([1, 2, 3, 4, 5, 6]);
    expect(Array.from(dx.data), "ids have no gradient").toEqual(new Array(8).fill(0));
    const touched = Array.from(model.gradients["ids.weight"]!.data, (value) => value !== 0);
    expect(touched, "ids 3 and 5 alone").toEqual(
      [0, 1, 2, 3, 4, 5].flatMap((id) => [id === 3 || id === 5, id === 3 || id === 5]),
    );
    const short = input([2]);
    const unpadded = lstm(3, { name: "lstm" }).apply(embedding(6, 2, { name: "ids" }).apply(short));
    const other = new Model(core, { inputs: short, outputs: unpadded, seed: 1 });
    expectSameBits(other.predict([3, 5]).data, padded.subarray(0, 3), "the same without padding");
    core.dispose();
  });

  it.each(CELLS)("%s: bidirectional is two layers", (_, make) => {
    const core = makeCore(backend);
    const [rows, steps, features, units] = [4, 3, 5, 3];
    const x = randomValues(rows * steps * features, 12);
    for (const returnSequences of [true, false]) {
      const inner = make(units, { returnSequences });
      const inputShape = [steps, features];
      const both = new Sequential(core, [bidirectional(inner, { name: "both" })], { inputShape, seed: 5 });
      const ahead = new Sequential(core, [make(units, { returnSequences, name: "a" })], { inputShape });
      const goBackwards = true;
      const back = new Sequential(core, [make(units, { returnSequences, goBackwards, name: "b" })], { inputShape });
      copyParameters(both, ahead, (name) => name.replace("a.", "both.forward."));
      copyParameters(both, back, (name) => name.replace("b.", "both.backward."));
      const y = both.forward(x).data.slice();
      const ya = ahead.forward(x).data.slice();
      const yb = back.forward(x).data.slice();
      const times = returnSequences ? steps : 1;
      for (let i = 0; i < y.length; i++) {
        const [place, j] = [Math.floor(i / (2 * units)), i % (2 * units)];
        const [row, t] = [Math.floor(place / times), place % times];
        const from = j < units ? ya[place * units + j] : yb[(row * times + times - 1 - t) * units + j - units];
        expect(y[i], `element ${i}`).toBe(from);
      }
    }
    core.dispose();
  });

  it("timeDistributed is its layer for every step", () => {
    const core = makeCore(backend);
    const [rows, steps, features] = [3, 4, 6];
    const x = randomValues(rows * steps * features, 3);
    const dy = randomValues(rows * steps * 2, 4);
    const inner = () => dense(2, { activation: "tanh", name: "inner" });
    const outer = timeDistributed(inner(), { name: "inner" });
    const distributed = new Sequential(core, [outer], { inputShape: [steps, features], seed: 1 });
    const single = new Sequential(core, [inner()], { inputShape: [features], seed: 1 });
    expectSameBits(distributed.forward(x).data, single.forward(x).data.slice(), "y");
    expectSameBits(distributed.backward(dy).data.slice(), single.backward(dy).data.slice(), "dx");
    for (const name of ["inner.weight", "inner.bias"]) {
      expectSameBits(distributed.gradients[name]!.data, single.gradients[name]!.data, name);
    }
    // A layer of several inputs, one that is a view, one that drops out, and one inside another.
    const [a, b] = [input([steps, 2, 3]), input([steps, 2, 3])];
    const joined = timeDistributed(concat(0)).apply([a, b]);
    const flattened = timeDistributed(flatten()).apply(joined);
    const nested = timeDistributed(timeDistributed(dropout(0.5))).apply(input([2, 3, 4]));
    expect(nested.shape).toEqual([2, 3, 4]);
    const model = new Model(core, { inputs: [a, b], outputs: flattened });
    const [left, right] = [randomValues(rows * steps * 6, 5), randomValues(rows * steps * 6, 6)];
    const y = model.forward([left, right]).data.slice();
    for (let i = 0; i < y.length; i++) {
      const [place, j] = [Math.floor(i / 12), i % 12];
      expect(y[i]).toBe(j < 6 ? left[place * 6 + j] : right[place * 6 + j - 6]);
    }
    const [da, db] = model.backward(y) as unknown as { data: Float32Array }[];
    expectSameBits(da!.data, left, "gradient of the first input");
    expectSameBits(db!.data, right, "gradient of the second input");
    core.dispose();
  });

  it("a layer that is used twice has one set of parameters, whose gradients are added", () => {
    const core = makeCore(backend);
    const [rows, steps, units] = [3, 2, 4];
    const shared = gru(units, { name: "shared" });
    const [a, b] = [input([steps, 2]), input([steps, 2])];
    const model = new Model(core, {
      inputs: [a, b],
      outputs: add().apply([shared.apply(a), shared.apply(b)]),
      seed: 6,
    });
    expect(Object.keys(model.parameters)).toEqual(["shared.kernel", "shared.recurrent", "shared.bias"]);
    const single = new Sequential(core, [gru(units, { name: "shared" })], { inputShape: [steps, 2], seed: 6 });
    const xs = [randomValues(rows * steps * 2, 1), randomValues(rows * steps * 2, 2)];
    const dy = randomValues(rows * units, 3);
    model.forward(xs);
    model.backward(dy);
    const parts = xs.map((x) => {
      single.forward(x);
      single.backward(dy);
      return Object.fromEntries(Object.entries(single.gradients).map(([name, { data }]) => [name, data.slice()]));
    });
    for (const [name, { data }] of Object.entries(model.gradients)) {
      const sum = parts[0]![name]!.map((x, i) => Math.fround(x + parts[1]![name]![i]!));
      expectSameBits(data, sum, name);
    }
    core.dispose();
  });
});

/** A model of every kind of layer, trained for some steps on a task that needs memory. */
function train(core: Awaited<ReturnType<typeof createCore>>, steps: number, rows: number): number[] {
  const time = 6;
  const model = new Sequential(
    core,
    [
      timeDistributed(dense(8, { activation: "relu" })),
      bidirectional(lstm(12, { returnSequences: true })),
      gru(10, { returnSequences: true }),
      simpleRnn(9),
      dense(4),
    ],
    { inputShape: [time, 4], seed: 1 },
  );
  const trainer = new Trainer(model, {
    loss: softmaxCrossEntropy(),
    optimizer: (parameters) => new RMSProp(core, parameters, { learningRate: 0.01 }),
  });
  // The class is the first symbol of the sequence.
  const x = new Float32Array(rows * time * 4);
  const labels = new Float32Array(rows);
  const random = new Random(9);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    x.fill(0);
    for (let row = 0; row < rows; row++) {
      for (let t = 0; t < time; t++) {
        const symbol = random.below(4);
        x[(row * time + t) * 4 + symbol] = 1;
        if (t === 0) labels[row] = symbol;
      }
    }
    losses.push(trainer.step(x, labels));
  }
  trainer.dispose();
  const { parameters } = model;
  return [...losses, ...Object.values(parameters).flatMap(({ data }) => Array.from(data))];
}

describe("training recurrent layers", () => {
  it("learns what needs memory", () => {
    const losses = train(makeCore("wasm"), 200, 32).slice(0, 200);
    expect(losses[0]!).toBeGreaterThan(1.2); // log 4 = 1.386
    expect(Math.max(...losses.slice(-10))).toBeLessThan(0.1);
  });

  it("gives the same bits on JavaScript, and on one, two and three threads", async () => {
    const expected = train(makeCore("wasm"), 4, 40);
    expectSameBits(train(makeCore("js"), 4, 40), expected, "JavaScript");
    for (const threads of [2, 3]) {
      const core = await createCore({ backend: "wasm", threads });
      expect(core.reason).toContain(`${threads} threads`);
      expectSameBits(train(core, 4, 40), expected, `${threads} threads`);
      core.dispose();
    }
  });

  it("fits a regression with states carried over", async () => {
    // The output is the running mean of the last inputs: batches are consecutive pieces of long sequences.
    const core = makeCore("wasm");
    const model = new Sequential(core, [gru(8, { stateful: true, returnSequences: true }), timeDistributed(dense(1))], {
      inputShape: [5, 1],
      seed: 2,
    });
    const trainer = new Trainer(model, {
      loss: meanSquaredError(),
      optimizer: (parameters) => new RMSProp(core, parameters, { learningRate: 0.01 }),
    });
    const random = new Random(4);
    const means = new Float32Array(8);
    const losses: number[] = [];
    for (let step = 0; step < 300; step++) {
      const x = Float32Array.from({ length: 40 }, () => random.uniform());
      const y = x.map((value, i) => {
        const row = Math.floor(i / 5);
        means[row] = means[row]! * 0.8 + value * 0.2;
        return means[row]!;
      });
      losses.push(trainer.step(x, y));
    }
    expect(losses.at(-1)!).toBeLessThan(0.001);
    model.resetStates();
    core.dispose();
  });
});

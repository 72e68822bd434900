import { describe, expect, it } from "vitest";
import { nnFamily } from "../../../src/backend/families/nn.js";
import { DisposedError, OptionError, RMSProp, type Shape, ShapeError, type Tensor } from "../../../src/index.js";
import {
  activation,
  add,
  binaryCrossEntropy,
  concat,
  dense,
  dropout,
  flatten,
  input,
  Layer,
  type Loss,
  Model,
  meanSquaredError,
  type PlanBuilder,
  prelu,
  relu,
  reshape,
  Sequential,
  softmaxCrossEntropy,
  Trainer,
  tanh,
  type Value,
} from "../../../src/nn/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, makeCore } from "../../helpers/cores.js";
import { randomValues, smallIntegers } from "../../helpers/random.js";

const none = () => ({ step() {}, dispose() {} });

/** Loss of a model for its parameters as they are, in the precision of float32. */
function lossOf(trainer: Trainer, x: Float32Array | Float32Array[], y: Float32Array): number {
  return trainer.evaluate(x, y).loss;
}

/** Compares gradients with central differences of the float32 loss, whose step is large enough for its roundings. */
function checkGradients(model: Model, x: Float32Array | Float32Array[], y: Float32Array): void {
  const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer: none });
  trainer.backward(x, y);
  for (const [name, parameter] of Object.entries(model.parameters)) {
    const gradient = trainer.gradients[name]!.data.slice();
    for (let i = 0; i < parameter.size; i++) {
      const h = 2 ** -6;
      const kept = parameter.data[i]!;
      parameter.data[i] = kept + h;
      const up = lossOf(trainer, x, y);
      parameter.data[i] = kept - h;
      const down = lossOf(trainer, x, y);
      parameter.data[i] = kept;
      // h² bounds the third derivative's part for these smooth and small networks, 2⁻²³/h the roundings.
      expect(Math.abs(gradient[i]! - (up - down) / (2 * h)), `${name}[${i}]`).toBeLessThan(2e-3);
    }
  }
  trainer.dispose();
}

describe.each(backends)("a graph on %s", (backend) => {
  it("adds residuals, and the gradients of a tensor that is used twice", () => {
    const core = makeCore(backend);
    const x = input([4]);
    const h = dense(4, { activation: "tanh" }).apply(x);
    const sum = add().apply([h, dense(4, { name: "inner" }).apply(h), h]);
    const model = new Model(core, { inputs: x, outputs: dense(2).apply(sum), seed: 3 });
    expect(Object.keys(model.parameters)).toEqual([
      "0.weight",
      "0.bias",
      "inner.weight",
      "inner.bias",
      "3.weight",
      "3.bias",
    ]);
    checkGradients(model, randomValues(5 * 4, 1), randomValues(5 * 2, 2));
    const h64 = model.predict(randomValues(4, 9));
    expect(h64.shape).toEqual([1, 2]);
  });

  it("joins inputs, and shares a layer", () => {
    const core = makeCore(backend);
    const [a, b] = [input([3]), input([3])];
    const shared = dense(2, { activation: "tanh", name: "shared" });
    const joined = concat().apply([shared.apply(a), shared.apply(b), a]);
    const model = new Model(core, { inputs: [a, b], outputs: dense(2).apply(joined), seed: 1 });
    expect(model.layers.length).toBe(3);
    checkGradients(model, [randomValues(4 * 3, 1), randomValues(4 * 3, 2)], randomValues(4 * 2, 3));
    expect(() => model.predict([new Float32Array(3)] as never)).toThrow(
      /x is Array\(1\), expected an array of 2 batches/,
    );
    expect(() => model.predict([new Float32Array(3), new Float32Array(6)])).toThrow(/x\[1\] has 2 rows, expected 1/);
  });

  it("concatenates along an inner axis", () => {
    const core = makeCore(backend);
    const [a, b] = [input([2, 3]), input([1, 3])];
    const model = new Model(core, { inputs: [a, b], outputs: concat(0).apply([a, b]) });
    const y = model.predict([Float32Array.from({ length: 12 }, (_, i) => i), Float32Array.of(-1, -2, -3, -4, -5, -6)]);
    expect(y.shape).toEqual([2, 3, 3]);
    expect([...y.data]).toEqual([0, 1, 2, 3, 4, 5, -1, -2, -3, 6, 7, 8, 9, 10, 11, -4, -5, -6]);
  });

  it("trains several outputs, whose losses are added", () => {
    const core = makeCore(backend);
    const x = input([3]);
    const h = dense(4).apply(x);
    const outputs = [dense(2).apply(h), dense(3).apply(relu().apply(h))];
    const model = new Model(core, { inputs: x, outputs, seed: 1 });
    const optimizer = (parameters: Readonly<Record<string, Tensor>>) =>
      new RMSProp(core, parameters, { learningRate: 0.01 });
    const trainer = new Trainer(model, { loss: [meanSquaredError(), softmaxCrossEntropy()], optimizer });
    const xs = randomValues(8 * 3, 1);
    const ys = [randomValues(8 * 2, 2), Uint8Array.from({ length: 8 }, (_, i) => i % 3)];
    const first = trainer.step(xs, ys);
    for (let i = 0; i < 200; i++) trainer.step(xs, ys);
    expect(trainer.evaluate(xs, ys).loss).toBeLessThan(first / 2);
    expect(() => trainer.step(xs, ys[0] as never)).toThrow(/y is Float32Array\(16\), expected an array of 2 batches/);
    expect(() => new Trainer(model, { loss: meanSquaredError(), optimizer: none })).toThrow(/loss has 1 entries/);
    expect(model.forward(xs)).toHaveLength(2);
  });

  it("has several losses of one output, of which some take logits", () => {
    const core = makeCore(backend);
    const losses = [meanSquaredError(), softmaxCrossEntropy()];
    const xs = randomValues(8 * 3, 1);
    const ys = Float32Array.from({ length: 24 }, (_, i) => +(i % 3 === (i / 3) % 2));
    const lossOf = (own: typeof losses): number => {
      const x = input([3]);
      const y = dense(3, { activation: "softmax" }).apply(x);
      const model = new Model(core, { inputs: x, outputs: own.map(() => y), seed: 1 });
      const trainer = new Trainer(model, { loss: own, optimizer: none });
      return trainer.evaluate(xs, (own.length === 1 ? ys : own.map(() => ys)) as never).loss;
    };
    const sum = lossOf(losses.slice(0, 1)) + lossOf(losses.slice(1));
    expect(lossOf(losses)).toBeCloseTo(sum, 6);
    expect(lossOf(losses.toReversed())).toBeCloseTo(sum, 6);
  });

  it("adds the gradients of an output that is one twice", () => {
    const core = makeCore(backend);
    const rows = 5;
    const [xs, indices] = [randomValues(rows * 3, 1), Uint8Array.from({ length: rows }, (_, i) => i % 4)];
    const targets = randomValues(rows * 4, 2).map(Math.abs);
    const make = (count: number) => {
      const x = input([3]);
      const y = dense(4).apply(dense(3, { activation: "tanh" }).apply(x));
      return new Model(core, { inputs: x, outputs: new Array(count).fill(y), seed: 1 });
    };
    const gradientsOf = (losses: Loss[], ys: ArrayLike<number>[]) => {
      const trainer = new Trainer(make(losses.length), { loss: losses, optimizer: none });
      trainer.backward(xs, (losses.length === 1 ? ys[0] : ys) as never);
      return Object.values(trainer.gradients).flatMap(({ data }) => [...data]);
    };
    const losses = [meanSquaredError(), softmaxCrossEntropy(), binaryCrossEntropy()];
    const ys = [targets, indices, targets];
    const alone = losses.map((loss, i) => gradientsOf([loss], [ys[i]!]));
    const both = gradientsOf(losses, ys);
    for (const [i, gradient] of both.entries()) {
      expect(gradient, `${i}`).toBeCloseTo(alone[0]![i]! + alone[1]![i]! + alone[2]![i]!, 6);
    }

    // The same without a loss: gradients of outputs that the caller gives.
    const [one, two] = [make(1), make(2)];
    const [dy, more] = [smallIntegers(rows * 4, 3), smallIntegers(rows * 4, 4)];
    one.forward(xs, { training: true });
    one.backward(dy.map((value, i) => value + more[i]!));
    two.forward(xs, { training: true });
    two.backward([dy, more] as never);
    const all = (model: Model) => Object.values(model.gradients).flatMap(({ data }) => [...data]);
    expect(all(two)).toEqual(all(one));
  });

  it("keeps what enters a relu for those who read it in another shape", () => {
    const core = makeCore(backend);
    const x = input([3]);
    const h = dense(4).apply(x);
    const outputs = [relu().apply(h), reshape([2, 2]).apply(h)];
    const model = new Model(core, { inputs: x, outputs, seed: 1 });
    const plain = new Model(core, { inputs: x, outputs: h, seed: 1 });
    const xs = randomValues(5 * 3, 1);
    const expected = plain.predict(xs).data.slice();
    for (const training of [false, true]) {
      const [active, shaped] = model.forward(xs, { training }) as unknown as Tensor[];
      expectSameBits(shaped!.data, expected, "in another shape");
      const positive = expected.map((value) => Math.max(value, 0));
      expectSameBits(active!.data, positive, "relu");
    }
  });

  it.each([{ shape: [4] }, { shape: [2, 2] }])(
    "keeps what enters a relu for a layer that reads it as $shape",
    ({ shape }) => {
      const core = makeCore(backend);
      const x = input([3]);
      const h = dense(4).apply(x);
      const active = relu().apply(h); // made first: its call comes right after the product's
      const read = shape.length === 1 ? h : reshape(shape).apply(h);
      const other = tanh().apply(read);
      const model = new Model(core, { inputs: x, outputs: [active, other], seed: 1 });
      const plain = new Model(core, { inputs: x, outputs: other, seed: 1 });
      const xs = randomValues(5 * 3, 1);
      const expected = plain.predict(xs).data.slice();
      for (const training of [false, true]) {
        const [, bent] = model.forward<Tensor[]>(xs, { training });
        expectSameBits(bent!.data, expected, "tanh");
      }
    },
  );

  it("is what Sequential is short for", () => {
    const core = makeCore(backend);
    const layers = [reshape([2, 3]), dense(4), tanh(), flatten(), dropout(0.5), dense(2)];
    const sequential = new Sequential(core, layers, { inputShape: [6], seed: 5 });
    const x = input([6]);
    let y = x;
    for (const layer of layers) y = layer.apply(y);
    const model = new Model(core, { inputs: x, outputs: y, seed: 5 });
    expect(Object.keys(model.parameters)).toEqual(Object.keys(sequential.parameters));
    const rows = randomValues(7 * 6, 1);
    const targets = randomValues(7 * 2, 2);
    const losses = [sequential, model].map((each) => {
      const optimizer = (parameters: Readonly<Record<string, Tensor>>) => new RMSProp(core, parameters);
      const trainer = new Trainer(each, { loss: meanSquaredError(), optimizer, seed: 2 });
      return [1, 2, 3].map(() => trainer.step(rows, targets));
    });
    expect(losses[0]).toEqual(losses[1]);
    checkGradients(
      new Sequential(core, [dense(3), tanh(), dense(2)], { inputShape: [2, 4] }),
      randomValues(24, 3),
      randomValues(12, 4),
    );
  });

  it("says what is wrong", () => {
    const core = makeCore(backend);
    const [a, b] = [input([3]), input([4])];
    expect(() => add().apply([a, b])).toThrow(/add was applied to shapes \[3\] and \[4\]/);
    expect(() => add().apply(a)).toThrow(ShapeError);
    expect(() => reshape([5]).apply(a)).toThrow(/reshape to \[5\] was applied to shape \[3\]/);
    expect(() => dense(2).apply(5 as never)).toThrow(/inputs is 5/);
    expect(() => input([0])).toThrow(/shape\[0\] is 0/);
    expect(() => new Model(core, { inputs: a, outputs: dense(2).apply(b) })).toThrow(
      /an input of shape \[4\] that is not among/,
    );
    expect(() => new Model(core, { inputs: [a, a], outputs: dense(2).apply(a) })).toThrow(
      /inputs\[1\] is the same as inputs\[0\]/,
    );
    const twice = dense(2, { name: "d" }).apply(dense(3, { name: "d" }).apply(a));
    expect(() => new Model(core, { inputs: a, outputs: twice })).toThrow(/two layers have the name "d"/);
    const shared = dense(4);
    const grown = shared.apply(shared.apply(a));
    expect(() => new Model(core, { inputs: a, outputs: grown })).toThrow(
      /0\.weight has shape \[3,4\], but a second use/,
    );
    expect(() => activation("gelu2" as never)).toThrow(/name is "gelu2", expected one of/);
    expect(() => dense(2, { name: "7" })).toThrow(/name is "7", expected no number/);
    expect(() => new Sequential(core, [dense(3, { activation: prelu() })], { inputShape: [2] })).toThrow(
      /prelu has parameters, expected it as a layer of its own/,
    );
    expect(core.memory.bytesInUse).toBe(0);
  });
});

describe.each(backends)("the phases of a step on %s", (backend) => {
  const make = () => {
    const core = makeCore(backend);
    const model = new Sequential(core, [dense(5, 7), tanh(), dropout(0.3), dense(7, 3)], { seed: 2 });
    const optimizer = (parameters: Readonly<Record<string, Tensor>>) =>
      new RMSProp(core, parameters, { momentum: 0.9 });
    return { core, model, trainer: new Trainer(model, { loss: meanSquaredError(), optimizer, seed: 4 }) };
  };
  const x = randomValues(6 * 5, 1);
  const y = randomValues(6 * 3, 2);

  it("are a step when they follow each other", () => {
    const [one, two] = [make(), make()];
    for (let i = 0; i < 3; i++) {
      const loss = one.trainer.step(x, y);
      expect(two.trainer.backward(x, y)).toBe(loss);
      two.trainer.update();
    }
    for (const [name, { data }] of Object.entries(one.model.parameters)) {
      expectSameBits(data, two.model.parameters[name]!.data, name);
    }
    expect(two.trainer.optimizer.iterations).toBe(3);
  });

  it("scale and accumulate gradients", () => {
    const { trainer } = make();
    trainer.backward(x, y);
    const once = trainer.gradients.block.data.slice();
    trainer.backward(x, y, { scale: 0.25 });
    expectSameBits(
      trainer.gradients.block.data,
      once.map((g) => g * 0.25),
      "scaled",
    );
    trainer.backward(x, y, { scale: 0.5, accumulate: true });
    const f = Math.fround;
    expectSameBits(
      trainer.gradients.block.data,
      once.map((g) => f(f(g * 0.25) + f(g * 0.5))),
      "accumulated",
    );
    expect(Object.keys(trainer.gradients)).toEqual(Object.keys(trainer.model.parameters));
    trainer.gradients["0.weight"]!.data[0] = 5;
    expect(trainer.gradients.block.data[0]).toBe(5);
    expect(() => trainer.backward(x, y, { scale: Number.NaN })).toThrow(/scale is NaN/);
  });

  it("go through a model with a gradient of one's own", () => {
    const { core, model } = make();
    const dy = randomValues(6 * 3, 8);
    const output = model.forward(x);
    expectSameBits(output.data, model.predict(x).data, "forward without training is predict");
    model.forward(x);
    const dx = model.backward(dy);
    expect(dx.shape).toEqual([6, 5]);
    const objective = (values: Float32Array) => model.predict(values).data.reduce((sum, v, i) => sum + v * dy[i]!, 0);
    const found = dx.data.slice();
    for (let i = 0; i < x.length; i++) {
      const h = 2 ** -6;
      const moved = (by: number) => objective(x.map((v, j) => (i === j ? v + by : v)));
      expect(Math.abs(found[i]! - (moved(h) - moved(-h)) / (2 * h)), `dx[${i}]`).toBeLessThan(1e-3);
    }
    const before = model.gradients.block.data.slice();
    model.forward(x);
    model.backward(dy, { accumulate: true });
    expectSameBits(
      model.gradients.block.data,
      before.map((g) => g + g),
      "accumulated",
    );
    expect(() => model.backward(dy), "a second time").toThrow(/backward needs a forward before it/);
    model.forward(x);
    model.predict(x);
    expect(() => model.backward(dy)).toThrow(/backward needs a forward before it/);
    model.forward(core.tensor([2, 5]), { training: true, seed: 7 });
    expect(() => model.backward(dy)).toThrow(/dy has 6 rows, expected 2 as x had/);
  });

  it("weights the rows", () => {
    const { trainer } = make();
    const half = { sampleWeights: [1, 1, 1, 0, 0, 0] };
    const some = trainer.evaluate(x, y, half).loss;
    const first = trainer.evaluate(x.subarray(0, 15), y.subarray(0, 9)).loss;
    expect(some).toBeCloseTo(first / 2, 6);
    expect(trainer.evaluate(x, y, { sampleWeights: new Float32Array(6).fill(1) }).loss).toBe(
      trainer.evaluate(x, y).loss,
    );
    expect(() => trainer.step(x, y, { sampleWeights: [1, 2] })).toThrow(/sampleWeights has 2 elements, expected 6/);
    expect(() => trainer.step(x, y, { sampleWeights: [1, 2, 3, 4, 5, -1] })).toThrow(/sampleWeights\[5\] is -1/);
  });

  it("compute with no parameter that is disposed", () => {
    const { model, trainer } = make();
    model.predict(x);
    trainer.step(x, y);
    model.parameters["0.bias"]!.dispose();
    for (const use of [() => model.predict(x), () => trainer.evaluate(x, y), () => model.forward(x)]) {
      expect(use).toThrow(DisposedError);
      expect(use).toThrow(/parameter 0\.bias/);
    }
  });

  it("take views of the core's own memory, though it grows meanwhile", async () => {
    const core = makeCore(backend, { memory: { initialBytes: 65536 } });
    const layers = [dense(784, 128), relu(), dense(128, 10)];
    const rows = 300;
    const xs = core.tensor([rows, 784], (i) => Math.sin(i));
    const ys = core.tensor([rows, 10], (i) => Math.cos(i));
    const train = async (areViews: boolean) => {
      const model = new Sequential(core, layers, { seed: 1 });
      const optimizer = (parameters: Readonly<Record<string, Tensor>>) => new RMSProp(core, parameters);
      const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer });
      const of = (tensor: Tensor) => (areViews ? tensor.data : tensor);
      await trainer.fit({ x: of(xs), y: of(ys) }, { epochs: 2, batchSize: 32, validation: { x: of(xs), y: of(ys) } });
      const { loss } = trainer.evaluate(of(xs), of(ys));
      return [
        loss,
        trainer.step(of(xs), of(ys)),
        ...model.predict(of(xs)).data,
        ...core.tensor(xs.shape, xs.data).data,
      ];
    };
    expect(await train(true)).toEqual(await train(false));
    const stale = xs.data;
    core.tensor([core.memory.bytesReserved]); // makes memory grow
    if (backend === "js") return; // where the old memory stays what it was
    expect(() => core.tensor(xs.shape, stale)).toThrow(/source is a view of memory that has grown since/);
    const model = new Sequential(core, layers);
    expect(() => model.predict(stale)).toThrow(/x is a view of memory that has grown since/);
  });
});

describe("fit", () => {
  const make = () => {
    const core = makeCore("js");
    const model = new Sequential(core, [dense(2, 1)], { seed: 1 });
    const optimizer = (parameters: Readonly<Record<string, Tensor>>) => new RMSProp(core, parameters);
    return new Trainer(model, { loss: meanSquaredError(), optimizer });
  };
  const data = { x: randomValues(40, 1), y: randomValues(20, 2) };

  it("is a promise of the history, or an iterator", async () => {
    const history = await make().fit(data, { epochs: 3 });
    expect(history.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    const epochs = [];
    for await (const epoch of make().fit(data, { epochs: 3 })) epochs.push(epoch);
    expect(epochs).toEqual(history);
    const started = make();
    void started.fit(data, { epochs: 1 });
    await new Promise((done) => setTimeout(done, 20));
    expect(started.optimizer.iterations).toBe(1);
  });

  it("rejects what is wrong, awaited or iterated", async () => {
    await expect(make().fit({ x: [1], y: [1] })).rejects.toThrow(/data\.x has 1 elements/);
    await expect(
      make()
        .fit({ x: [1], y: [1] })
        .next(),
    ).rejects.toThrow(ShapeError);
  });

  it("is alone on its trainer", async () => {
    const trainer = make();
    const running = trainer.fit(data, { epochs: 5 });
    await running.next();
    await expect(trainer.fit(data)).rejects.toThrow(OptionError);
    expect(() => trainer.step([1, 2], [3])).toThrow(/while a fit of this trainer is under way/);
    expect(() => trainer.load(trainer.state())).toThrow(OptionError);
    expect(() => trainer.backward([1, 2], [3])).toThrow(OptionError);
    expect(trainer.evaluate(data.x, data.y).loss).toBeGreaterThan(0);
    await running.return();
    trainer.step([1, 2], [3]);
    expect(trainer.optimizer.iterations).toBe(2);
  });
});

describe("a layer of one's own", () => {
  class Double extends Layer {
    readonly kind = "double";
    readonly forgets: boolean;
    constructor(forgets = false) {
      super();
      this.forgets = forgets;
    }
    override outputShape(shape: Shape): Shape {
      return shape;
    }
    override plan(builder: PlanBuilder, x: Value): Value {
      const y = builder.value(x.shape);
      builder.call(nnFamily, "scale_f32", [x.size, 2, x, y], [x, y]);
      if (!this.forgets) {
        builder.backward(y, (dy) => {
          const dx = builder.gradient(x);
          if (dx) builder.call(nnFamily, "scale_f32", [x.size, 2, dy, dx], [dy, dx]);
        });
      }
      return y;
    }
  }

  it("is trained through", () => {
    const core = makeCore("wasm");
    const model = new Sequential(core, [dense(3, 4), new Double(), tanh(), dense(4, 2), new Double()], { seed: 1 });
    checkGradients(model, randomValues(15, 1), randomValues(10, 2));
  });

  it("is refused without a backward pass", () => {
    const core = makeCore("wasm");
    const model = new Sequential(core, [dense(3, 4), new Double(true), dense(4, 2)]);
    const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer: none });
    expect(() => trainer.step([1, 2, 3], [1, 2])).toThrow(
      /plan of layer "double" returned a value without builder\.backward/,
    );
    expect(model.predict([1, 2, 3]).size).toBe(2);
  });
});

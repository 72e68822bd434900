import { execFileSync } from "node:child_process";
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { cosineDecay, createCore, DisposedError, RMSProp } from "lanewise";
import {
  adagrad,
  adam,
  adamw,
  LanewiseAdagrad,
  LanewiseAdam,
  LanewiseAdamW,
  LanewiseMomentum,
  type LanewiseOptimizer,
  LanewiseRMSProp,
  LanewiseSGD,
  momentum,
  type RMSPropOptions,
  rmsprop,
  sgd,
} from "lanewise/tfjs";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { expectSameBits } from "../helpers/bits.js";
import { randomValues } from "../helpers/random.js";
import { difference } from "./matrix.js";

type Gradients = Record<string, tf.Tensor>;
// biome-ignore lint/suspicious/noExplicitAny: as TensorFlow.js has it
type Serializable = tf.serialization.SerializableConstructor<any>;

function gradientsOf(variables: readonly tf.Variable[], seed: number): Gradients {
  return Object.fromEntries(
    variables.map(({ name, shape, size }, i) => [name, tf.tensor(randomValues(size, 100 * seed + i), shape)]),
  );
}

function variables(count: number, length = 5): tf.Variable[] {
  return Array.from({ length: count }, (_, i) => {
    const initial = tf.tensor1d(randomValues(length, i));
    const made = tf.variable(initial);
    initial.dispose();
    return made;
  });
}

const read = (tensor: tf.Tensor): Float32Array => Float32Array.from(tensor.dataSync());

async function readWeights(optimizer: tf.Optimizer): Promise<Record<string, number[]>> {
  const weights = await optimizer.getWeights();
  return Object.fromEntries(weights.map(({ name, tensor }) => [name, Array.from(tensor.dataSync())]));
}

function network(units = 4): tf.Sequential {
  const kernelInitializer = tf.initializers.glorotUniform({ seed: 3 });
  return tf.sequential({
    layers: [
      tf.layers.dense({ units, activation: "relu", inputShape: [6], kernelInitializer }),
      tf.layers.dense({ units: 2, kernelInitializer }),
    ],
  });
}

describe.each(["cpu", "wasm"])("%s backend", (backend) => {
  let before = 0;
  beforeAll(async () => {
    await tf.setBackend(backend);
  });
  beforeEach(() => {
    tf.engine().startScope();
    tf.disposeVariables();
    before = tf.memory().numTensors;
  });
  afterEach(() => {
    tf.engine().endScope();
    tf.disposeVariables();
  });

  describe("what TensorFlow.js expects of an optimizer", () => {
    it("is a tf.Optimizer", () => {
      expect(rmsprop(0.1)).toBeInstanceOf(tf.Optimizer);
    });

    it("minimizes, and returns the cost if asked", () => {
      const x = tf.variable(tf.scalar(3));
      const optimizer = rmsprop(0.1);
      const cost = optimizer.minimize(() => x.square() as tf.Scalar, true)!;
      expect(cost.dataSync()[0]).toBe(9);
      for (let i = 0; i < 200; i++) expect(optimizer.minimize(() => x.square() as tf.Scalar)).toBeNull();
      expect(Math.abs(x.dataSync()[0]!)).toBeLessThan(0.1);
      expect(optimizer.iterations).toBe(201);
    });

    it("minimizes the variables that are named, and no others", () => {
      const [x, y] = variables(2) as [tf.Variable, tf.Variable];
      const [oldX, oldY] = [read(x), read(y)];
      rmsprop(0.1).minimize(() => x.mul(y).sum() as tf.Scalar, false, [x]);
      expect(read(x)).not.toEqual(oldX);
      expect(read(y)).toEqual(oldY);
    });

    it("takes gradients as a record and as a list", () => {
      const [x, y] = variables(2) as [tf.Variable, tf.Variable];
      y.assign(x);
      const [a, b] = [rmsprop(0.1), rmsprop(0.1)];
      for (let step = 0; step < 3; step++) {
        const tensor = tf.tensor1d(randomValues(5, step));
        a.applyGradients({ [x.name]: tensor });
        b.applyGradients([{ name: y.name, tensor }]);
      }
      expectSameBits(read(x), read(y), "y");
    });

    it("does not change the number of tensors in a step", () => {
      const made = variables(3);
      const optimizer = rmsprop(0.1, 0.9, 0.9, null, true);
      const gradients = gradientsOf(made, 1);
      optimizer.applyGradients(gradients);
      const after = tf.memory().numTensors;
      for (let step = 0; step < 5; step++) optimizer.applyGradients(gradients);
      expect(tf.memory().numTensors).toBe(after);
    });

    it("gives back everything it took", () => {
      const made = variables(3);
      const gradients = gradientsOf(made, 1);
      const [tensors, bytes] = [tf.memory().numTensors, tf.memory().numBytes];
      const optimizer = rmsprop(0.1, 0.9, 0.9, null, true);
      optimizer.applyGradients(gradients);
      expect(tf.memory().numTensors).toBeGreaterThan(tensors);
      optimizer.dispose();
      expect(tf.memory().numTensors).toBe(tensors);
      expect(tf.memory().numBytes).toBe(bytes);
      expect(() => optimizer.applyGradients(gradients)).toThrow("optimizer was used after dispose()");
    });

    it("fits a model, which then predicts with what it learned", async () => {
      const model = network();
      const x = tf.tensor2d(randomValues(60, 1), [10, 6]);
      const y = tf.tensor2d(randomValues(20, 2), [10, 2]);
      model.compile({ optimizer: rmsprop(0.01), loss: "meanSquaredError" });
      model.predict(x);
      await model.fit(x, y, { epochs: 3, verbose: 0 });
      // A second model, so that nothing can be kept of the first one's old weights.
      const other = network();
      other.setWeights(model.getWeights().map((weight) => tf.tensor(read(weight), weight.shape)));
      expectSameBits(read(model.predict(x) as tf.Tensor), read(other.predict(x) as tf.Tensor), "predictions");
    });
  });

  describe("state belongs to a variable", () => {
    /** Steps over three variables, `order` giving the names that have a gradient in each; against one run for each alone. */
    function checkOrders(make: () => LanewiseOptimizer, orders: readonly (readonly number[])[]): void {
      const together = variables(3);
      const alone = together.map((variable) => tf.variable(variable.clone()));
      const optimizer = make();
      const own = alone.map(make);
      orders.forEach((order, step) => {
        const named = order.map((i) => ({
          name: together[i]!.name,
          tensor: tf.tensor1d(randomValues(5, 10 * step + i)),
        }));
        optimizer.applyGradients(named);
        order.forEach((i, k) => {
          own[i]!.applyGradients([{ name: alone[i]!.name, tensor: named[k]!.tensor }]);
        });
      });
      together.forEach((variable, i) => {
        expectSameBits(read(variable), read(alone[i]!), `variable ${i}`);
      });
    }

    it.each<[string, number[][]]>([
      [
        "in another order",
        [
          [0, 1, 2],
          [2, 0, 1],
          [1, 2, 0],
          [2, 1, 0],
        ],
      ],
      ["dropped and taken up again", [[0, 1, 2], [1, 2], [0], [0, 1, 2]]],
      ["added later", [[2], [2], [0, 2], [1, 0, 2], [0, 1, 2]]],
    ])("when variables are %s", (_, orders) => {
      checkOrders(() => rmsprop(0.1, 0.9, 0.5), orders);
      checkOrders(() => adam(0.1), orders);
      checkOrders(() => momentum(0.1, 0.9), orders);
    });

    it("when layers are frozen and thawed, and the model is compiled again", async () => {
      const run = async (isFrozen: boolean) => {
        const model = network();
        const [x, y] = [tf.tensor2d(randomValues(60, 1), [10, 6]), tf.tensor2d(randomValues(20, 2), [10, 2])];
        const optimizer = adam(0.01);
        for (const frozen of [false, isFrozen, false]) {
          model.layers[0]!.trainable = !frozen;
          model.compile({ optimizer, loss: "meanSquaredError" });
          await model.fit(x, y, { epochs: 2, batchSize: 10, verbose: 0 });
        }
        return { weights: await readWeights(optimizer), iterations: (await optimizer.getWeights())[0]!.tensor };
      };
      const frozen = await run(true);
      expect(Array.from(frozen.iterations.dataSync())).toEqual([6, 4, 4, 6, 6]);
      const thawed = await run(false);
      expect(Array.from(thawed.iterations.dataSync())).toEqual([6]);
      expect(Object.values(frozen.weights)).not.toEqual(Object.values(thawed.weights));
    });

    it("keeps it for a variable that gets another name", () => {
      const [x, y] = variables(2) as [tf.Variable, tf.Variable];
      const { name } = x;
      y.assign(x);
      const [a, b] = [rmsprop(0.1), rmsprop(0.1)];
      for (let step = 0; step < 4; step++) {
        if (step === 2) x.name = "renamed";
        const tensor = tf.tensor1d(randomValues(5, step));
        a.applyGradients({ [x.name]: tensor });
        b.applyGradients({ [y.name]: tensor });
      }
      expectSameBits(read(x), read(y), "y");
      x.name = name; // or disposeVariables does not find it
    });

    it("begins anew for another variable of the same name, and frees the old one's", () => {
      const optimizer = rmsprop(0.1);
      const once = (): [Float32Array, number] => {
        const x = tf.variable(tf.tensor1d([1, 2, 3]), true, "x");
        optimizer.applyGradients({ x: tf.tensor1d([1, -1, 2]) });
        const values = read(x);
        x.dispose();
        return [values, tf.memory().numTensors];
      };
      tf.tidy(() => {
        const [first] = once();
        expect(once()[0]).toEqual(first);
      });
      const [, count] = once();
      expect(once()[1] - count).toBe(2); // the two tensors made here
    });
  });

  describe("what others hold of a variable stays as it was", () => {
    it.each<[string, (x: tf.Variable) => () => ArrayLike<number>]>([
      [
        "a clone",
        (x) => {
          const clone = x.clone();
          return () => clone.dataSync();
        },
      ],
      [
        "another shape of it",
        (x) => {
          const other = x.reshape([5, 1]);
          return () => other.dataSync();
        },
      ],
      [
        "a variable made from it",
        (x) => {
          const other = tf.variable(x);
          return () => other.dataSync();
        },
      ],
      [
        "its numbers, read",
        (x) => {
          const values = x.dataSync();
          return () => values;
        },
      ],
    ])("%s", (_, take) => {
      const [x] = variables(1) as [tf.Variable];
      const optimizer = rmsprop(0.1);
      for (let step = 0; step < 3; step++) {
        const old = read(x);
        const taken = take(x);
        optimizer.applyGradients(gradientsOf([x], step));
        expect(read(x)).not.toEqual(old);
        expect(Float32Array.from(taken())).toEqual(old);
      }
    });

    it("the array that it was made from", () => {
      const source = Float32Array.of(1, 2, 3);
      const x = tf.variable(tf.tensor1d(source));
      rmsprop(0.1).applyGradients({ [x.name]: tf.tensor1d([1, 1, 1]) });
      expect(source).toEqual(Float32Array.of(1, 2, 3));
    });

    it("the variable that is another's gradient, and the gradient that two have", () => {
      const [x, y] = variables(2) as [tf.Variable, tf.Variable];
      const [oldX, oldY] = [read(x), read(y)];
      sgd(0.5).applyGradients({ [x.name]: y.clone(), [y.name]: x.clone() });
      expectSameBits(
        read(x),
        oldX.map((value, i) => Math.fround(value - Math.fround(0.5 * oldY[i]!))),
        "x",
      );
      expectSameBits(
        read(y),
        oldY.map((value, i) => Math.fround(value - Math.fround(0.5 * oldX[i]!))),
        "y",
      );
    });
  });

  describe("weights", () => {
    const make = () => rmsprop(0.1, 0.9, 0.5, 1e-5, true);

    it("have TensorFlow.js's names and order", async () => {
      const [x, y] = [tf.variable(tf.zeros([2, 3]), true, "x"), tf.variable(tf.zeros([3]), true, "y")];
      for (const optimizer of [make(), tf.train.rmsprop(0.1, 0.9, 0.5, 1e-5, true)]) {
        optimizer.applyGradients({ x: tf.ones([2, 3]), y: tf.ones([3]) });
        const weights = await optimizer.getWeights();
        expect(weights.map(({ name, tensor }) => [name, tensor.shape, tensor.dtype])).toEqual([
          ["iter", [], "int32"],
          ["x/rms", [2, 3], "float32"],
          ["y/rms", [3], "float32"],
          ["x/momentum", [2, 3], "float32"],
          ["y/momentum", [3], "float32"],
          ["x/mg", [2, 3], "float32"],
          ["y/mg", [3], "float32"],
        ]);
      }
      tf.dispose([x, y]);
    });

    it.each<[string, () => tf.Optimizer, () => tf.Optimizer, number]>([
      ["ours to ours", make, make, 0],
      ["TensorFlow.js to ours", () => tf.train.rmsprop(0.1), () => rmsprop(0.1), 0],
      ["ours to TensorFlow.js", () => rmsprop(0.1), () => tf.train.rmsprop(0.1), 0],
      ["with momentum, TensorFlow.js to ours", () => tf.train.rmsprop(0.1, 0.9, 0.9), () => rmsprop(0.1, 0.9, 0.9), 0],
      ["with momentum, ours to TensorFlow.js", () => rmsprop(0.1, 0.9, 0.9), () => tf.train.rmsprop(0.1, 0.9, 0.9), 0],
      ["adam, ours to ours", () => adam(0.1), () => adam(0.1), 0],
      ["adam, TensorFlow.js to ours", () => tf.train.adam(0.1), () => adam(0.1), 1e-5],
      ["adam, ours to TensorFlow.js", () => adam(0.1), () => tf.train.adam(0.1), 1e-5],
      ["momentum, TensorFlow.js to ours", () => tf.train.momentum(0.1, 0.9), () => momentum(0.1, 0.9), 0],
      ["momentum, ours to TensorFlow.js", () => momentum(0.1, 0.9), () => tf.train.momentum(0.1, 0.9), 0],
      [
        "averages",
        () => rmsprop({ learningRate: 0.1, emaDecay: 0.9 }),
        () => rmsprop({ learningRate: 0.1, emaDecay: 0.9 }),
        0,
      ],
    ])("carry the state on: %s", async (_, makeFirst, makeSecond, tolerance) => {
      const made = variables(2);
      const other = made.map((variable) => tf.variable(variable.clone()));
      const [first, second] = [makeFirst(), makeSecond()];
      for (let step = 0; step < 5; step++) {
        const gradients = gradientsOf(made, step);
        first.applyGradients(gradients);
      }
      for (const [i, variable] of made.entries()) other[i]!.assign(variable);
      await second.setWeights(await first.getWeights());
      expect(second.iterations).toBe(5);
      for (let step = 5; step < 10; step++) {
        const gradients = gradientsOf(made, step);
        first.applyGradients(gradients);
        // Named otherwise: what counts is then the order.
        second.applyGradients(made.map(({ name }, i) => ({ name: other[i]!.name, tensor: gradients[name]! })));
      }
      made.forEach((variable, i) => {
        if (tolerance === 0) expectSameBits(read(other[i]!), read(variable), `variable ${i}`);
        else expect(difference(read(other[i]!), read(variable), tolerance)).toBeUndefined();
      });
    });

    it("leak nothing, however often they are asked for", async () => {
      const made = variables(2);
      const optimizer = make();
      const count = async (): Promise<number> => {
        await optimizer.getWeights();
        return tf.memory().numTensors;
      };
      const empty = tf.memory().numTensors;
      expect(await count()).toBe(empty);
      optimizer.applyGradients(gradientsOf(made, 1));
      const built = tf.memory().numTensors;
      expect(await count()).toBe(built);
      optimizer.applyGradients({ [made[0]!.name]: tf.ones([5]) });
      expect(await count()).toBe(built + 1); // the gradient
      await optimizer.setWeights(await optimizer.getWeights());
      expect(await count()).toBe(built + 1);
      expect((await readWeights(optimizer)).iter).toEqual([2, 2, 1]);
      optimizer.applyGradients({ [made[1]!.name]: tf.ones([5]) });
      expect(await count()).toBe(built + 2);
      expect((await readWeights(optimizer)).iter).toEqual([3, 2, 2]);
    });

    it.each<[string, () => { name: string; tensor: tf.Tensor }[], string]>([
      ["nothing", () => [], "weights is empty, expected the iterations first"],
      ["a bad count", () => [{ name: "iter", tensor: tf.scalar(-1) }], "iterations is -1, expected an integer >= 0"],
      [
        "a missing array",
        () => [
          { name: "iter", tensor: tf.scalar(1) },
          { name: "x/rms", tensor: tf.ones([3]) },
        ],
        '"x/momentum" is missing',
      ],
      [
        "an unknown one",
        () => [
          { name: "iter", tensor: tf.scalar(1) },
          { name: "x/m", tensor: tf.ones([3]) },
        ],
        'weights has "x/m", expected "<variable>/rms"',
      ],
      [
        "another type",
        () => [
          { name: "iter", tensor: tf.scalar(1) },
          { name: "x/rms", tensor: tf.ones([3], "int32") },
        ],
        '"x/rms" is int32, expected float32',
      ],
      [
        "shapes that differ",
        () => [
          { name: "iter", tensor: tf.scalar(1) },
          { name: "x/rms", tensor: tf.ones([3]) },
          { name: "x/momentum", tensor: tf.ones([4]) },
          { name: "x/mg", tensor: tf.ones([3]) },
        ],
        '"x/momentum" has shape [4], expected [3]',
      ],
    ])("that hold %s are refused, and the state stays", async (_, weights, message) => {
      const [x] = variables(1) as [tf.Variable];
      const optimizer = make();
      optimizer.applyGradients(gradientsOf([x], 1));
      const old = await readWeights(optimizer);
      await expect(optimizer.setWeights(weights())).rejects.toThrow(message);
      expect(await readWeights(optimizer)).toEqual(old);
    });

    it("that fit none of the variables are refused in the step", async () => {
      const made = variables(2);
      const optimizer = rmsprop(0.1);
      const weights = (shape: number[]) => [
        { name: "iter", tensor: tf.scalar(3, "int32") },
        { name: "q/rms", tensor: tf.ones(shape) },
      ];
      const old = read(made[0]!);
      await optimizer.setWeights(weights([5]));
      expect(() => optimizer.applyGradients(gradientsOf(made, 1))).toThrow(/^weights are of q, but the variables are/);
      await optimizer.setWeights(weights([4]));
      expect(() => optimizer.applyGradients(gradientsOf(made.slice(0, 1), 1))).toThrow(
        '"q" has shape [4], expected [5]',
      );
      expect(read(made[0]!)).toEqual(old);
      expect(optimizer.iterations).toBe(3);
    });

    it("wait for their variable, whatever comes before it", async () => {
      const made = variables(3);
      const [x, y, z] = made as [tf.Variable, tf.Variable, tf.Variable];
      const [first, second] = [adam(0.1), adam(0.1)];
      for (let step = 0; step < 3; step++) first.applyGradients(gradientsOf([x, y], step));
      const weights = (await readWeights(first)) as Record<string, number[]>;
      await second.setWeights(await first.getWeights());
      second.applyGradients({ [x.name]: tf.zeros([5]) });
      second.applyGradients({ [z.name]: tf.zeros([5]) });
      const waiting = await readWeights(second);
      expect(waiting[`${y.name}/v`]).toEqual(weights[`${y.name}/v`]);
      expect(waiting.iter).toEqual([5, 4, 1, 3]);
      second.applyGradients({ [y.name]: tf.zeros([5]) });
      const { [`${y.name}/v`]: v, iter } = await readWeights(second);
      expect(v).toEqual(weights[`${y.name}/v`]!.map((value) => Math.fround(Math.fround(0.999) * value)));
      expect(iter).toEqual([6, 4, 1, 4]);
    });

    it("may be disposed, kept and given away: the state is another's", async () => {
      const [x, y] = variables(2) as [tf.Variable, tf.Variable];
      y.assign(x);
      const [a, b] = [make(), make()];
      let kept: Float32Array[] = [];
      for (let step = 0; step < 4; step++) {
        const tensor = tf.tensor1d(randomValues(5, step));
        a.applyGradients({ [x.name]: tensor });
        b.applyGradients({ [y.name]: tensor });
        const clones = (await a.getWeights()).map((weight) => weight.tensor.clone());
        if (step === 1) tf.dispose((await a.getWeights()).map((weight) => weight.tensor));
        if (step === 2) kept = (await b.getWeights()).map((weight) => read(weight.tensor));
        if (step === 2) expect((await a.getWeights()).map((weight) => read(weight.tensor))).toEqual(kept);
        tf.dispose(clones);
      }
      expectSameBits(read(x), read(y), "x");
    });
  });

  describe("an accumulation", () => {
    const make = (accumulationSteps = 3) => rmsprop({ learningRate: 0.1, momentum: 0.9, accumulationSteps });

    it("continues in another optimizer, variable by variable", async () => {
      for (const stop of [1, 2, 3, 4, 5]) {
        const [made, copies] = [variables(2), variables(2)] as [tf.Variable[], tf.Variable[]];
        const [whole, first, second] = [make(), make(), make()];
        // The second variable has a gradient in every other step only.
        const apply = (optimizer: LanewiseOptimizer, list: tf.Variable[], step: number) =>
          optimizer.applyGradients(gradientsOf(step % 2 === 0 ? list : list.slice(0, 1), step));
        for (let step = 0; step < 8; step++) apply(whole, made, step);
        for (let step = 0; step < stop; step++) apply(first, copies, step);
        await first.getWeights();
        const count = tf.memory().numTensors;
        expect(await readWeights(first)).toEqual(await readWeights(first));
        expect(tf.memory().numTensors).toBe(count);
        const weights = await first.getWeights();
        expect(weights.some(({ name }) => name === "accumulatedSteps")).toBe(stop % 3 > 0);
        await second.setWeights(weights);
        // Handed on before the first step, too.
        const third = make();
        await third.setWeights(await second.getWeights());
        for (let step = stop; step < 8; step++) apply(third, copies, step);
        expect(third.iterations).toBe(2);
        made.forEach((variable, i) => {
          // Without a gradient in the rest of the accumulation the second variable stays unknown to the third optimizer.
          if (i === 0 || stop !== 5) expectSameBits(read(copies[i]!), read(variable), `variable ${i} from ${stop}`);
        });
      }
    });

    it("counts the calls that have no gradient at all", () => {
      const optimizer = make(3);
      for (const expected of [0, 0, 1, 1, 1, 2]) {
        optimizer.applyGradients([]);
        expect(optimizer.iterations).toBe(expected);
      }
      optimizer.applyGradients([]);
      const [x] = variables(1) as [tf.Variable];
      const old = read(x);
      optimizer.applyGradients(gradientsOf([x], 1));
      expect(read(x)).toEqual(old);
      optimizer.applyGradients(gradientsOf([x], 2));
      expect(read(x)).not.toEqual(old);
      expect(optimizer.iterations).toBe(3);
    });

    it("updates a variable whose gradient is missing in the last call", () => {
      const [x, y] = variables(2) as [tf.Variable, tf.Variable];
      const optimizer = sgd({ learningRate: 1, accumulationSteps: 2 });
      const [before, gradients] = [read(y), gradientsOf([x, y], 1)];
      const gradient = Array.from((gradients as Record<string, tf.Tensor>)[y.name]!.dataSync());
      optimizer.applyGradients(gradients);
      expectSameBits(read(y), before, "y after the first call");
      optimizer.applyGradients(gradientsOf([x], 2));
      const expected = Float32Array.from(before, (value, i) => value - Math.fround(gradient[i]! / 2));
      expectSameBits(read(y), expected, "y after the second call");
      optimizer.applyGradients(gradientsOf([x], 3));
      optimizer.applyGradients(gradientsOf([x, y], 4));
      expect(read(y)).not.toEqual(expected);
    });

    it("forgets a variable that was disposed meanwhile", () => {
      const [x, y] = variables(2) as [tf.Variable, tf.Variable];
      const optimizer = sgd({ learningRate: 1, accumulationSteps: 2 });
      optimizer.applyGradients(gradientsOf([x, y], 1));
      y.dispose();
      const [z, old] = [tf.tensor1d([1, 2, 3, 4, 5]), read(x)];
      optimizer.applyGradients(gradientsOf([x], 2));
      expect(Array.from(z.dataSync())).toEqual([1, 2, 3, 4, 5]);
      expect(read(x)).not.toEqual(old);
      optimizer.applyGradients(gradientsOf([x], 3));
      x.dispose();
      optimizer.flush();
      expect(optimizer.iterations).toBe(2);
    });

    it("can be ended, with what there is or without it", async () => {
      const [made, whole, dropped] = [variables(2), variables(2), variables(2)] as [
        tf.Variable[],
        tf.Variable[],
        tf.Variable[],
      ];
      const flushed = make(4);
      for (let step = 0; step < 3; step++) flushed.applyGradients(gradientsOf(made, step));
      const restored = make(4);
      await restored.setWeights(await flushed.getWeights());
      flushed.flush();
      flushed.flush();
      expect(flushed.iterations).toBe(1);
      expect((await flushed.getWeights()).some(({ name }) => name === "accumulatedSteps")).toBe(false);
      const exact = make(3);
      for (let step = 0; step < 3; step++) exact.applyGradients(gradientsOf(whole, step));
      made.forEach((variable, i) => void expectSameBits(read(variable), read(whole[i]!), `variable ${i}`));

      const discarded = make(3);
      for (let step = 5; step < 7; step++) discarded.applyGradients(gradientsOf(dropped, step));
      discarded.discardGradients();
      for (let step = 0; step < 3; step++) discarded.applyGradients(gradientsOf(dropped, step));
      dropped.forEach((variable, i) => void expectSameBits(read(variable), read(whole[i]!), `variable ${i}`));

      restored.discardGradients();
      expect((await restored.getWeights()).some(({ name }) => /gradientSum|accumulatedSteps/.test(name))).toBe(false);
      const empty = make(3);
      empty.applyGradients([]);
      empty.flush();
      expect(empty.iterations).toBe(1);
      empty.dispose();
      expect(() => empty.flush()).toThrow(DisposedError);
      expect(() => empty.discardGradients()).toThrow(DisposedError);
    });

    it("must fit in", async () => {
      const made = variables(1);
      const [long, short] = [make(4), make(3)];
      for (let step = 0; step < 3; step++) long.applyGradients(gradientsOf(made, step));
      const weights = await long.getWeights();
      const expected = "accumulatedSteps is 3, expected less than 3, the accumulationSteps";
      await expect(short.setWeights(weights)).rejects.toThrow(expected);
      const sums = weights.filter(({ name }) => name !== "accumulatedSteps");
      await expect(short.setWeights(sums)).rejects.toThrow('gradientSum" is there, but accumulatedSteps is missing');
    });
  });

  describe("a model that is saved", () => {
    async function trained(
      optimizer: tf.Optimizer,
      epochs: number,
      model: tf.LayersModel = network(),
    ): Promise<tf.LayersModel> {
      if (model.optimizer === undefined) model.compile({ optimizer, loss: "meanSquaredError" });
      const [x, y] = [tf.tensor2d(randomValues(60, 1), [10, 6]), tf.tensor2d(randomValues(20, 2), [10, 2])];
      await model.fit(x, y, { epochs, batchSize: 5, shuffle: false, verbose: 0 });
      tf.dispose([x, y]);
      return model;
    }

    it.each<[string, () => LanewiseOptimizer, updates?: number]>([
      ["rmsprop", () => rmsprop(0.01)],
      [
        "rmsprop in another dialect, clipped",
        () => rmsprop({ dialect: "keras3", momentum: 0.9, clipNorm: 1, centered: true }),
      ],
      ["adam", () => adam(0.01)],
      ["adamw", () => adamw({ learningRate: 0.01, amsgrad: true })],
      ["momentum", () => momentum(0.01, 0.9, true)],
      ["adagrad", () => adagrad(0.01)],
      ["sgd", () => sgd({ learningRate: 0.01, weightDecay: 0.1 })],
      // Saved after six of the steps, of which two are of the next update.
      ["rmsprop, accumulating", () => rmsprop({ learningRate: 0.01, momentum: 0.9, accumulationSteps: 4 }), 1],
      ["adam, accumulating", () => adam({ learningRate: 0.01, accumulationSteps: 4, emaDecay: 0.9 }), 1],
      ["adamw, accumulating", () => adamw({ learningRate: 0.01, accumulationSteps: 4 }), 1],
      ["adagrad, accumulating", () => adagrad({ learningRate: 0.01, accumulationSteps: 4 }), 1],
      ["momentum, accumulating", () => momentum({ learningRate: 0.01, momentum: 0.9, accumulationSteps: 4 }), 1],
      ["sgd, accumulating", () => sgd({ learningRate: 0.01, accumulationSteps: 4 }), 1],
      ["sgd, between two accumulations", () => sgd({ learningRate: 0.01, accumulationSteps: 3 }), 2],
      ["sgd, before the first update", () => sgd({ learningRate: 0.01, accumulationSteps: 7 }), 0],
    ])("goes on with the same bits: %s", async (_, make, updates = 6) => {
      const model = await trained(make(), 3);
      const artifacts = await save(model);
      const { optimizer } = model;
      await trained(optimizer, 2, model);
      const expected = model.getWeights().map(read);
      // Beside the first model, whose variables have the names, and without it.
      for (const isAlone of [false, true]) {
        if (isAlone) model.dispose();
        const loaded = await tf.loadLayersModel(tf.io.fromMemory(artifacts));
        expect(loaded.optimizer.getClassName()).toBe(optimizer.getClassName());
        expect(loaded.optimizer.getConfig()).toEqual(optimizer.getConfig());
        expect(loaded.optimizer.iterations).toBe(updates);
        await trained(loaded.optimizer, 2, loaded);
        loaded.getWeights().forEach((weight, i) => {
          expectSameBits(read(weight), expected[i]!, `weight ${i}`);
        });
        loaded.dispose();
      }
    });

    /** Through JSON, as to a file. */
    async function save(model: tf.LayersModel) {
      const count = tf.memory().numTensors;
      let saved: tf.io.ModelArtifacts | undefined;
      await model.save(
        tf.io.withSaveHandler(async (artifacts) => {
          saved = artifacts;
          return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
        }),
        { includeOptimizer: true },
      );
      expect(tf.memory().numTensors).toBe(count);
      const { weightData, weightSpecs, ...rest } = saved!;
      return { ...(JSON.parse(JSON.stringify(rest)) as object), weightSpecs, weightData } as tf.io.ModelArtifacts;
    }
  });

  describe("options", () => {
    it("are TensorFlow.js's where none are given, and told by its names", () => {
      expect(rmsprop(0.5).getConfig()).toEqual(tf.train.rmsprop(0.5).getConfig());
      expect(rmsprop(0.5, 0.8, 0.7, 1e-3, true).getConfig()).toEqual(
        tf.train.rmsprop(0.5, 0.8, 0.7, 1e-3, true).getConfig(),
      );
      expect(rmsprop({ learningRate: 0.5 }).getConfig()).toEqual(tf.train.rmsprop(0.5).getConfig());
      expect(adam().getConfig()).toEqual(tf.train.adam().getConfig());
      expect(adagrad(0.5).getConfig()).toEqual(tf.train.adagrad(0.5).getConfig());
      expect(adagrad({ learningRate: 0.5, eps: 1e-3 }).getConfig().epsilon).toBe(1e-3);
      expect(momentum(0.5, 0.9).getConfig()).toEqual(tf.train.momentum(0.5, 0.9).getConfig());
      expect(momentum(0.5, 0.9, true).getConfig()).toEqual(tf.train.momentum(0.5, 0.9, true).getConfig());
      expect(sgd(0.5).getConfig()).toEqual(tf.train.sgd(0.5).getConfig());
      expect(adamw().getConfig()).toEqual({ ...tf.train.adam().getConfig(), weightDecay: 0.01 });
    });

    it.each<[Class: Serializable, Theirs: Serializable | undefined, ...makers: (() => LanewiseOptimizer)[]]>([
      [
        LanewiseRMSProp,
        tf.RMSPropOptimizer,
        () => rmsprop(0.1),
        () => rmsprop(0.1, 0.5, 0.1, 1e-7, true),
        () => rmsprop({ learningRate: 0.1, eps: 1e-3 }),
      ],
      [LanewiseAdam, tf.AdamOptimizer, () => adam(), () => adam(0.1, 0.5, 0.6, 1e-3)],
      [LanewiseAdagrad, tf.AdagradOptimizer, () => adagrad(0.1), () => adagrad(0.1, 0.2)],
      [LanewiseMomentum, tf.MomentumOptimizer, () => momentum(0.1, 0.2), () => momentum(0.1, 0.2, true)],
      [LanewiseSGD, tf.SGDOptimizer, () => sgd(0.1)],
      [
        LanewiseAdamW,
        undefined,
        () => adamw({ learningRate: 0.1, weightDecay: 0.2, amsgrad: true, clipNorm: 1, onNonFinite: "skip" }),
      ],
      [LanewiseRMSProp, undefined, () => rmsprop({ dialect: "pytorch", learningRate: 0.1, emaDecay: 0.5 })],
      [
        LanewiseAdagrad,
        undefined,
        () => adagrad({ learningRate: 0.1, eps: 0.5, accumulationSteps: 2, clipValue: Infinity }),
      ],
      [LanewiseSGD, undefined, () => sgd({ learningRate: 0.1, momentum: 0.5, maximize: true, globalClipNorm: 1 })],
    ])("survive a round trip through the configuration: case %#, also in TensorFlow.js's own class", (...row) => {
      const [Class, Theirs, ...makers] = row;
      for (const make of makers) {
        const optimizer = make();
        const config = JSON.parse(JSON.stringify(optimizer.getConfig()));
        expect(config).toEqual(optimizer.getConfig());
        expect(Class.fromConfig(Class, config).getConfig()).toEqual(config);
        expect(Theirs === undefined ? config : Theirs.fromConfig(Theirs, config).getConfig()).toEqual(config);
      }
    });

    it.each<[string, RMSPropOptions]>([
      ["a dialect", { dialect: "pytorch", centered: true, momentum: 0.9, weightDecay: 0.1 }],
      ["clipping by global norm", { globalClipNorm: 0.5, eps: 1e-3 }],
      [
        "decoupled weight decay, Nesterov",
        { weightDecay: 0.1, decoupledWeightDecay: true, momentum: 0.9, nesterov: true },
      ],
      ["a schedule", { learningRate: cosineDecay(0.1, 5) }],
      ["a centered form", { centered: true, momentum: 0.9, eps: 1e-7 }],
      ["accumulation", { accumulationSteps: 3, learningRate: 0.1 }],
    ])("do what Lanewise's own do: %s", async (_, options) => {
      const made = variables(3);
      const core = await createCore();
      const params = Object.fromEntries(made.map((variable) => [variable.name, read(variable)]));
      const own = new RMSProp(core, params, { eps: options.dialect ? undefined : 1e-7, ...options } as RMSPropOptions);
      const optimizer = rmsprop(options);
      for (let step = 0; step < 7; step++) {
        const gradients = gradientsOf(made, step);
        optimizer.applyGradients(gradients);
        own.step(Object.fromEntries(Object.entries(gradients).map(([name, tensor]) => [name, read(tensor)])));
        expect(optimizer.iterations).toBe(own.iterations);
      }
      for (const variable of made) expectSameBits(read(variable), params[variable.name]!, variable.name);
      core.dispose();
    });

    it("centered: the published formula, where TensorFlow.js gives NaN", () => {
      const x = tf.variable(tf.tensor1d([1, 2, 3]));
      const y = tf.variable(x.clone());
      const z = tf.variable(x.clone());
      const gradient = tf.tensor1d([0, 1e-4, 1]);
      rmsprop(0.1, 0.9, 0, null, true).applyGradients({ [x.name]: gradient });
      tf.train.rmsprop(0.1, 0.9, 0, undefined, true).applyGradients({ [y.name]: gradient });
      rmsprop({ learningRate: 0.1, centered: true, dialect: "tfjs" }).applyGradients({ [z.name]: gradient });
      const expected = [0, 1e-4, 1].map((g, i) => i + 1 - (0.1 * g) / Math.sqrt(0.1 * g * g - (0.1 * g) ** 2 + 1e-7));
      expect(difference(read(x), Float32Array.from(expected), 1e-5)).toBeUndefined();
      expect(Array.from(read(y), Number.isNaN)).toEqual([true, true, false]);
      expectSameBits(read(z), read(y), "dialect tfjs");
    });

    it("a learning rate may change between steps", () => {
      const [x, y] = variables(2) as [tf.Variable, tf.Variable];
      y.assign(x);
      const [ours, theirs] = [rmsprop(0.1), tf.train.rmsprop(0.1)];
      for (const [step, rate] of [0.1, 0.01, 0.3].entries()) {
        if (step === 1) ours.setLearningRate(rate);
        else ours.learningRate = rate;
        (theirs as unknown as { learningRate: number }).learningRate = rate;
        expect(ours.getConfig().learningRate).toBe(rate);
        const tensor = tf.tensor1d(randomValues(5, step));
        ours.applyGradients({ [x.name]: tensor });
        theirs.applyGradients({ [y.name]: tensor });
      }
      expectSameBits(read(x), read(y), "x");
      ours.learningRate = (iteration) => 1 / iteration;
      expect(ours.learningRate).toBe(1 / 3);
      expect(() => {
        ours.learningRate = Number.NaN;
      }).toThrow("learningRate is NaN");
      expect(ours.learningRate).toBe(1 / 3);
    });

    it("averages of the variables come as tensors", () => {
      const [x] = variables(1) as [tf.Variable];
      const optimizer = rmsprop({ learningRate: 0.1, emaDecay: 0.5 });
      optimizer.applyGradients(gradientsOf([x], 1));
      const first = read(x);
      optimizer.applyGradients(gradientsOf([x], 2));
      const { [x.name]: average } = optimizer.averaged();
      const expected = first.map((a, i) => Math.fround(Math.fround(0.5 * a) + Math.fround(0.5 * read(x)[i]!)));
      expectSameBits(read(average!), expected, "average");
    });
  });

  describe("errors leave everything as it was", () => {
    it.each<[string, () => unknown, string]>([
      ["no rate", () => rmsprop(undefined as never), "learningRate for RMSPropOptimizer must be defined"],
      ["a negative rate", () => rmsprop(-1), "learningRate is -1, expected a finite number >= 0"],
      ["a decay", () => rmsprop(0.1, 2), "decay is 2, expected a number from 0 to 1"],
      ["an unknown option", () => rmsprop({ epsilon: 1 } as never), "options.epsilon is not an option"],
      [
        "an option that the dialect lacks",
        () => rmsprop({ dialect: "tfjs", weightDecay: 1 }),
        'weightDecay is not an option of dialect "tfjs"',
      ],
    ])("%s", (_, make, message) => {
      expect(make).toThrow(message);
      expect(tf.memory().numTensors).toBe(before);
    });

    it.each<[string, (x: tf.Variable, y: tf.Variable) => unknown, string]>([
      ["no gradients", () => null, "variableGradients is null, expected a record or an array of named tensors"],
      [
        "an unknown name",
        (x) => ({ [x.name]: tf.ones([5]), q: tf.ones([5]) }),
        'variableGradients has "q", which is no variable\'s name',
      ],
      ["a name of Object's", () => ({ toString: tf.ones([5]) }), 'variableGradients has "toString", which is no'],
      [
        "another shape",
        (x, y) => [
          { name: y.name, tensor: tf.ones([5]) },
          { name: x.name, tensor: tf.ones([1]) },
        ],
        "has shape [1], expected [5]",
      ],
      ["another type", (x) => ({ [x.name]: tf.ones([5], "int32") }), "is int32, expected float32"],
      [
        "a name twice",
        (x) => [
          { name: x.name, tensor: tf.ones([5]) },
          { name: x.name, tensor: tf.ones([5]) },
        ],
        "twice",
      ],
      [
        "a disposed gradient",
        (x, y) => {
          const g = tf.ones([5]);
          g.dispose();
          return { [y.name]: tf.ones([5]), [x.name]: g };
        },
        "was used after dispose()",
      ],
      [
        "a gradient that is not finite",
        (x, y) => ({ [y.name]: tf.ones([5]), [x.name]: tf.fill([5], Number.NaN) }),
        "contains NaN or ±Infinity",
      ],
    ])("%s", async (_, gradients, message) => {
      const [x, y] = variables(2) as [tf.Variable, tf.Variable];
      const optimizer = rmsprop({ learningRate: 0.1, onNonFinite: "throw" });
      optimizer.applyGradients(gradientsOf([x, y], 1));
      const old = [read(x), read(y), await readWeights(optimizer)];
      expect(() => optimizer.applyGradients(gradients(x, y) as Gradients)).toThrow(message);
      expect([read(x), read(y), await readWeights(optimizer)]).toEqual(old);
    });
  });
});

describe("the wasm backend's heap", () => {
  beforeAll(async () => {
    await tf.setBackend("wasm");
  });

  interface Wasm {
    dataIdMap: { get(id: object): { memoryOffset: number } };
    wasm: { HEAPU8: Uint8Array };
  }
  const addressOf = (tensor: tf.Tensor): number =>
    (tf.backend() as unknown as Wasm).dataIdMap.get(tensor.dataId).memoryOffset;

  it("holds variables where they were, and the state", () => {
    const [x] = variables(1) as [tf.Variable];
    const optimizer = rmsprop(0.1, 0.5);
    optimizer.applyGradients({ [x.name]: tf.fill([5], 0.123456) });
    const address = addressOf(x);
    const old = read(x);
    const heap = (): Float32Array => new Float32Array((tf.backend() as unknown as Wasm).wasm.HEAPU8.buffer);
    const squares = heap().indexOf(Math.fround(0.5 * Math.fround(Math.fround(0.123456) ** 2)));
    expect(squares).toBeGreaterThan(0);
    optimizer.applyGradients({ [x.name]: tf.zeros([5]) });
    expect(addressOf(x)).toBe(address);
    expect(read(x)).toEqual(old);
    expect(heap()[squares]).toBe(Math.fround(0.25 * Math.fround(Math.fround(0.123456) ** 2)));
    optimizer.dispose();
  });

  it("may grow between steps and in them", () => {
    const [x, y] = variables(2, 300_000) as [tf.Variable, tf.Variable];
    y.assign(x);
    const [ours, theirs] = [rmsprop(0.1), tf.train.rmsprop(0.1)];
    const size = () => (tf.backend() as unknown as Wasm).wasm.HEAPU8.byteLength;
    const first = size();
    const large: tf.Tensor[] = [];
    for (let step = 0; step < 4; step++) {
      large.push(tf.zeros([4_000_000]));
      const tensor = tf.tensor1d(randomValues(300_000, step));
      ours.applyGradients({ [x.name]: tensor });
      theirs.applyGradients({ [y.name]: tensor });
    }
    expect(size()).toBeGreaterThan(first);
    expectSameBits(read(x), read(y), "x");
    tf.dispose(large);
    ours.dispose();
  });
});

it("a step may follow the variables to another backend, with their state", async () => {
  const run = async (make: () => tf.Optimizer, backends: string[]): Promise<Float32Array> => {
    await tf.setBackend("cpu");
    const [x] = variables(1) as [tf.Variable];
    const optimizer = make();
    for (const [step, backend] of backends.entries()) {
      await tf.setBackend(backend);
      optimizer.applyGradients(gradientsOf([x], step));
    }
    const values = read(x);
    optimizer.dispose();
    return values;
  };
  const moving = ["cpu", "wasm", "wasm", "cpu", "wasm"];
  const expected = await run(
    () => tf.train.adagrad(0.1),
    moving.map(() => "cpu"),
  );
  expectSameBits(await run(() => adagrad(0.1), moving), expected, "x");
});

it("lanewise itself neither needs nor loads TensorFlow.js", () => {
  const script = `
    import { registerHooks } from "node:module";
    import * as lanewise from "lanewise";
    console.log(Object.keys(lanewise).includes("RMSProp"), Object.keys(globalThis).some((key) => key.includes("tf")));`;
  const output = execFileSync(
    process.execPath,
    ["--input-type=module", "-e", script.replace(/import \{ reg.*\n/, "")],
    {
      cwd: new URL(".", import.meta.url),
      encoding: "utf8",
    },
  );
  expect(output.trim()).toBe("true false");
});

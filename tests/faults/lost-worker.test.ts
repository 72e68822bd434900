// A worker that stalls or traps inside a kernel, after it has written its result: at every claim.

import { afterAll, describe, expect, it } from "vitest";
import type { Core, CoreOptions } from "../../src/core.js";
import { createCoreSync } from "../../src/entry/inline.js";
import {
  Adafactor,
  Adam,
  BackendError,
  Muon,
  matmul,
  type Optimizer,
  RMSProp,
  SGD,
  type Tensor,
} from "../../src/index.js";
import {
  batchNorm,
  conv2d,
  dense,
  embedding,
  flatten,
  type Layer,
  layerNorm,
  lstm,
  maxPool2d,
  meanSquaredError,
  multiHeadAttention,
  relu,
  Sequential,
  Trainer,
} from "../../src/nn/index.js";
import { expectSameBits } from "../helpers/bits.js";
import { randomValues } from "../helpers/random.js";
import { coreWithSpoiltWorker, coreWithStuckWorker, type Spoilt } from "../helpers/spoilt-workers.js";

const SIDE = 48;
/** Steps that workers compute in pieces. */
const IN_PIECES = (kernel: string) => /^(sgd|rmsprop|adam)_f32$/.test(kernel);
const ways: Spoilt[] = ["spins", "traps"];
const claims = [0, 1, 5];
const everyClaim = ways.flatMap((way) => claims.map((claim) => [way, claim] as const));
const ENDED = /one thread; 1 of 1 workers ended: (it did not finish its share of a job|its kernel failed)/;
/** A loaded machine may keep the worker away for a while. */
const CALLS = 500;

/** Something to compute again and again; `values` are all numbers that it has. */
interface Work {
  run(): void;
  values(): Record<string, Float32Array>;
}

/** Runs the same on both cores until the worker is lost, and for two calls after that; bits compared after each call. */
function expectRecovery(attacked: Core, make: (core: Core) => Work): void {
  const model = createCoreSync({ backend: "js" });
  const [actual, expected] = [make(attacked), make(model)];
  let after = 0;
  for (let call = 0; after < 3; call++) {
    if (call === CALLS) expect.fail(`the worker never took part: ${attacked.reason}`);
    actual.run();
    expected.run();
    const values = actual.values();
    for (const [name, numbers] of Object.entries(expected.values())) {
      expectSameBits(values[name]!, numbers, `${name} after call ${call}`);
    }
    if (ENDED.test(attacked.reason)) after++;
  }
  attacked.dispose();
  model.dispose();
}

const stepWork = (make: (core: Core, parameters: Tensor[]) => Optimizer) => (core: Core) => {
  const tensors = (seed: number) =>
    [0, 1, 2].map((i) => core.tensor([SIDE, SIDE], randomValues(SIDE * SIDE, seed + i)));
  const [parameters, grads] = [tensors(0), tensors(9)];
  const optimizer = make(core, parameters);
  return {
    run: () => optimizer.step(grads),
    values() {
      const found: Record<string, Float32Array> = { iterations: Float32Array.of(optimizer.iterations) };
      const collect = (path: string, value: unknown) => {
        if (value instanceof Float32Array) found[path] = value.slice();
        else if (typeof value === "object" && value !== null) {
          for (const [key, part] of Object.entries(value)) collect(`${path}.${key}`, part);
        }
      };
      collect("state", optimizer.state());
      for (const [i, { data }] of parameters.entries()) found[`parameter ${i}`] = data.slice();
      return found;
    },
  };
};

const optimizers: [string, (core: Core, parameters: Tensor[]) => Optimizer][] = [
  ["SGD", (core, p) => new SGD(core, p, { learningRate: 0.5, momentum: 0.5 })],
  ["RMSProp", (core, p) => new RMSProp(core, p, { centered: true, momentum: 0.9, clipNorm: 1 })],
  ["Adam", (core, p) => new Adam(core, p, { learningRate: 0.5, emaDecay: 0.5 })],
  ["Muon, whole parameters", (core, p) => new Muon(core, p, { learningRate: 0.5 })],
  ["Adafactor, a number for each row and column", (core, p) => new Adafactor(core, p)],
  ["SGD, accumulating", (core, p) => new SGD(core, p, { accumulationSteps: 3 })],
];

const productWork = (beta: number) => (core: Core) => {
  const [m, n, k] = [70, 90, 40];
  const a = core.tensor([m, k], randomValues(m * k, 1));
  const b = core.tensor([k, n], randomValues(k * n, 2));
  const out = core.tensor([m, n], randomValues(m * n, 3));
  return { run: () => void matmul(a, b, { out, beta, alpha: 0.5 }), values: () => ({ out: out.data.slice() }) };
};

const trainingWork =
  (layers: () => Layer[], inputShape: number[], ids = 0) =>
  (core: Core) => {
    const rows = 12;
    const model = new Sequential(core, layers(), { inputShape, seed: 5 });
    const trainer = new Trainer(model, {
      loss: meanSquaredError(),
      optimizer: (parameters) => new RMSProp(core, parameters),
    });
    const size = rows * inputShape.reduce((x, y) => x * y, 1);
    const values = ids === 0 ? randomValues(size, 1) : Float32Array.from({ length: size }, (_, i) => (i * 7) % ids);
    const x = core.tensor([rows, ...inputShape], values);
    const y = core.tensor([rows, 4], randomValues(rows * 4, 2));
    const losses: number[] = [];
    return {
      run: () => void losses.push(trainer.step(x, y)),
      values: () => ({
        losses: Float32Array.from(losses),
        ...Object.fromEntries(
          Object.entries({ ...model.parameters, ...model.buffers }).map(([name, { data }]) => [name, data.slice()]),
        ),
      }),
    };
  };

const networks: [string, (core: Core) => Work][] = [
  ["a dense network", trainingWork(() => [dense(64), relu(), dense(4)], [48])],
  [
    "an image network",
    trainingWork(
      () => [conv2d(8, { padding: "same" }), batchNorm(), relu(), maxPool2d(2), flatten(), dense(4)],
      [8, 8, 3],
    ),
  ],
  [
    "a sequence network",
    trainingWork(
      () => [embedding(20, 16), multiHeadAttention(2, { keySize: 8 }), layerNorm(), lstm(16), dense(4)],
      [6],
      20,
    ),
  ],
];

describe.each(everyClaim)("a worker that %s at claim %i", (way, claim) => {
  const lose = (kernels: RegExp, options?: CoreOptions) =>
    coreWithSpoiltWorker(way, (kernel) => kernels.test(kernel), claim, options);

  it.each(optimizers)("takes nothing of a step with it: %s", async (_, make) => {
    expectRecovery(await lose(/^(?!gemm|measure)/), stepWork(make));
  });

  it.each([0, 1])("takes nothing of a product with it: beta %i", async (beta) => {
    expectRecovery(await lose(/^gemm_f32$/), productWork(beta));
  });

  it.each(networks)("takes nothing of training with it: %s", async (_, work) => {
    expectRecovery(await lose(/./), work);
  });
});

describe("a worker that traps at any moment of a step", () => {
  // Turns of the loops of its kernels and copies; a chunk has a few thousand.
  const moments = Array.from({ length: 12 }, (_, i) => Math.floor((i + Math.abs(randomValues(1, i)[0]!)) * 211));

  it.each(optimizers.slice(0, 3))("leaves nothing half written: %s", async (_, make) => {
    for (const moment of moments)
      expectRecovery(await coreWithSpoiltWorker("traps", IN_PIECES, moment), stepWork(make));
  });
});

describe("a worker that stalls at any moment of a step", () => {
  const ends = { goesOn: 0, refuses: 0 };
  afterAll(() => {
    expect(ends.goesOn).toBeGreaterThan(0);
    expect(ends.refuses).toBeGreaterThan(0);
  });

  it.each(optimizers.slice(0, 3))(
    "leaves complete parameters, and the core goes on or says why not: %s",
    async (_, make) => {
      for (let moment = 40; moment < 900; moment += 89) {
        const core = await coreWithSpoiltWorker("spins", IN_PIECES, moment);
        const model = createCoreSync({ backend: "js" });
        const tensors = (on: Core, seed: number) => [on.tensor([SIDE, SIDE], randomValues(SIDE * SIDE, seed))];
        const [p, q, g, h] = [tensors(core, 1), tensors(model, 1), tensors(core, 2), tensors(model, 2)];
        const [actual, expected] = [make(core, p), make(model, q)];
        for (let call = 0; !ENDED.test(core.reason); call++) {
          if (call === CALLS) expect.fail("the worker never took part");
          actual.step(g);
          expected.step(h);
          expectSameBits(p[0]!.data, q[0]!.data, `moment ${moment}, call ${call}`);
        }
        try {
          actual.step(g);
          expected.step(h);
          ends.goesOn++;
        } catch (error) {
          ends.refuses++;
          expect((error as Error).message).toMatch(/a worker thread stalled while it copied a step: elements/);
        }
        expectSameBits(p[0]!.data, q[0]!.data, `moment ${moment}, afterwards`);
        core.dispose();
        model.dispose();
      }
    },
  );
});

describe.each(ways)("after a worker that %s", (way) => {
  it("gives another library's heap everything back but what the worker knows of", async () => {
    let top = 1024;
    const blocks = new Set<number>();
    const memory = {
      attach: new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true }),
      allocate(bytes: number) {
        const address = top;
        top += Math.ceil(bytes / 64) * 64;
        blocks.add(address);
        return address;
      },
      free: (address: number) => void blocks.delete(address),
    };
    const core = await coreWithSpoiltWorker(way, (kernel) => kernel === "sgd_f32", 0, { memory });
    const [w, g] = [core.tensor([4096]), core.tensor([4096])];
    const optimizer = new SGD(core, w);
    for (let call = 0; !ENDED.test(core.reason); call++) {
      if (call === CALLS) expect.fail("the worker never took part");
      optimizer.step(g);
    }
    expect(core.tensor([1]).toArray()).toEqual([0]);
    core.dispose();
    expect(blocks.size).toBe(2); // the tables of the chunks, the worker's own block
  });
});

describe("a worker that stalls while it copies its results", () => {
  it.each<[string, string, (core: Core) => Work, RegExp]>([
    ["copy_table_back", "a step", stepWork(optimizers[3]![1]), /a step: elements [\d to,]+ of parameter \d/],
    ["copy_blocks", "a product", productWork(0), /a product: (rows|columns) [\d to,]+ of its result/],
  ])("%s: %s is complete, and the next use of the core is refused", async (copies, _, make, what) => {
    const core = await coreWithStuckWorker(copies, 0);
    const model = createCoreSync({ backend: "js" });
    const [actual, expected] = [make(core), make(model)];
    const before = { ...actual.values() };
    expect(Object.keys(before).length).toBeGreaterThan(0);
    let error: unknown;
    for (let call = 0; error === undefined; call++) {
      if (call === CALLS) expect.fail("the worker never took part");
      try {
        actual.run();
        expected.run();
      } catch (thrown) {
        error = thrown;
      }
    }
    expect(error).toBeInstanceOf(BackendError);
    const { message } = error as Error;
    expect(message).toMatch(/^the core cannot be used any more: a worker thread stalled while it copied /);
    expect(message).toMatch(what);
    expect(message).toMatch(/which are complete but may be written once more/);
    expect(() => core.tensor([1])).toThrow(BackendError);
    core.dispose();
    model.dispose();
  });
});

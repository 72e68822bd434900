// Allocation k fails, for every k of every operation: afterwards nothing has changed, and the operation can be made again.

import { afterEach, describe, expect, it, vi } from "vitest";
import { Allocator } from "../../src/backend/arena.js";
import { loadCheckpoint, saveCheckpoint } from "../../src/checkpoint/index.js";
import type { Core } from "../../src/core.js";
import { createCore, createCoreSync } from "../../src/entry/inline.js";
import {
  matmul,
  minimize,
  OutOfMemoryError,
  type PackedTensor,
  RMSProp,
  rows,
  SGD,
  type Tensor,
} from "../../src/index.js";
import {
  dense,
  meanSquaredError,
  type PackedModel,
  packModel,
  relu,
  Sequential,
  Trainer,
  tanh,
} from "../../src/nn/index.js";
import { everyLayer, unlistedExports } from "../helpers/every-layer.js";
import { everyOptimizer } from "../helpers/every-optimizer.js";
import { randomValues } from "../helpers/random.js";

/** An operation, what it can be seen to have changed, and what it needs. */
interface Operation {
  readonly act: () => unknown;
  /** Everything that a caller can read, as plain data. */
  readonly look: () => unknown;
}

type Setup = (core: Core) => Operation;

const { allocate } = Allocator.prototype;
/** Allocations until one fails. */
let untilFailure = Number.POSITIVE_INFINITY;
let failures = 0;
vi.spyOn(Allocator.prototype, "allocate").mockImplementation(function (this: Allocator, bytes: number) {
  if (untilFailure-- !== 0) return allocate.call(this, bytes);
  failures++;
  throw new OutOfMemoryError(`allocation of ${bytes} bytes was made to fail`);
});
afterEach(() => {
  untilFailure = Number.POSITIVE_INFINITY;
});

/** What was thrown, if anything. */
async function thrownBy(act: () => unknown): Promise<unknown> {
  try {
    await act();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Fails each allocation in turn; returns how many there were. */
async function failEach(makeCore: () => Core | Promise<Core>, setup: Setup): Promise<number> {
  const model = await makeCore();
  const expected = setup(model);
  await expected.act();
  const after = expected.look();
  for (let k = 0; ; k++) {
    const core = await makeCore();
    const { act, look } = setup(core);
    const before = look();
    const { bytesInUse } = core.memory;
    const failuresBefore = failures;
    untilFailure = k;
    const error = await thrownBy(act);
    untilFailure = Number.POSITIVE_INFINITY;
    if (failures === failuresBefore) {
      expect(error).toBeUndefined();
      expect(look()).toEqual(after);
      core.dispose();
      model.dispose();
      return k;
    }
    // An operation may do without: then it ends as if nothing had failed.
    if (error !== undefined) {
      expect(error, `allocation ${k}`).toBeInstanceOf(OutOfMemoryError);
      expect(look(), `values after allocation ${k}`).toEqual(before);
      expect(core.memory.bytesInUse, `bytes in use after allocation ${k}`).toBe(bytesInUse);
      await act();
    }
    expect(look(), `made again after allocation ${k}`).toEqual(after);
    core.dispose();
  }
}

const arrayOf = (tensor: Tensor): number[] => Array.from(tensor.data);

const operations: [string, Setup][] = [
  [
    "tensor",
    (core) => {
      const made: Tensor[] = [];
      return { act: () => made.push(core.tensor([3, 3], randomValues(9, 1))), look: () => made.map(arrayOf) };
    },
  ],
  [
    "matmul",
    (core) => {
      const [a, b] = [core.tensor([70, 70], randomValues(4900, 1)), core.tensor([70, 70], randomValues(4900, 2))];
      const made: Tensor[] = [];
      return { act: () => made.push(matmul(a, b)), look: () => [a, b, ...made].map(arrayOf) };
    },
  ],
  [
    "matmul, into a tensor, with what was there",
    (core) => {
      const [a, out] = [core.tensor([70, 70], randomValues(4900, 1)), core.tensor([70, 70], randomValues(4900, 2))];
      return { act: () => matmul(a, a, { out, beta: 0.5, transposeA: true }), look: () => [a, out].map(arrayOf) };
    },
  ],
  [
    "core.pack",
    (core) => {
      const w = core.tensor([40, 50], randomValues(2000, 1));
      const made: PackedTensor[] = [];
      return { act: () => made.push(core.pack(w)), look: () => [w, ...made.map(({ block }) => block)].map(arrayOf) };
    },
  ],
  [
    "packModel",
    (core) => {
      const model = new Sequential(core, [dense(5, 64), relu(), dense(64, 2)], { seed: 3 });
      const made: PackedModel[] = [];
      return {
        act: () => made.push(packModel(model)),
        look: () => [made.length, ...Object.values(model.parameters).map(arrayOf)],
      };
    },
  ],
  [
    "predict, of a packed model",
    (core) => {
      const model = new Sequential(core, [dense(5, 64), relu(), dense(64, 2)], { seed: 3 });
      const packed = packModel(model);
      const made: Tensor[] = [];
      return { act: () => made.push(packed.predict(randomValues(15, 1))), look: () => made.map(arrayOf) };
    },
  ],
  [
    "load of a state with other options, and with an array that they do not need",
    (core) => {
      const options = { momentum: 0.9, centered: true };
      const source = new RMSProp(core, core.tensor([50]), options);
      source.step(randomValues(50, 1));
      source.setOptions({ momentum: 0, emaDecay: 0.5 });
      const saved = source.state();
      const optimizer = new RMSProp(core, core.tensor([50]));
      return { act: () => optimizer.load(saved), look: () => [optimizer.state(), optimizer.description()] };
    },
  ],
  [
    "minimize",
    (core) => {
      const x = core.tensor([2], [5, 5]);
      const optimizer = new SGD(core, x);
      const act = () => minimize(([a, b]) => a! * a! + b! * b!, [1, 2], { optimizer, iterations: 3 });
      return { act, look: () => [arrayOf(x), optimizer.state()] };
    },
  ],
  ...everyOptimizer.flatMap(([name, Class]): [string, Setup][] => {
    const sets = (core: Core) => ({
      w: core.tensor([6, 4], randomValues(24, 1)),
      v: core.tensor([5, 4], randomValues(20, 2)),
      a: randomValues(8, 3),
    });
    const gradients = () => ({ w: randomValues(24, 4), v: randomValues(20, 5), a: randomValues(8, 6) });
    const forShape = name === "Muon"; // needs matrices
    const all = (core: Core) => {
      const { a, ...matrices } = sets(core);
      return forShape ? matrices : { ...matrices, a };
    };
    const grads = () => {
      const { a, ...matrices } = gradients();
      return forShape ? matrices : { ...matrices, a };
    };
    return [
      [
        `new ${name}`,
        (core) => {
          const params = all(core);
          const made: unknown[] = [];
          return {
            act: () => made.push(new Class(core, params, { emaDecay: 0.9, accumulationSteps: 2 }).state()),
            look: () => made,
          };
        },
      ],
      [
        `${name}.step`,
        (core) => {
          const optimizer = new Class(core, all(core));
          return { act: () => optimizer.step(grads()), look: () => [optimizer.state(), optimizer.description()] };
        },
      ],
      [
        `${name}.setOptions`,
        (core) => {
          const optimizer = new Class(core, all(core));
          optimizer.step(grads());
          return {
            act: () => optimizer.setOptions({ emaDecay: 0.5, accumulationSteps: 3 } as never),
            look: () => [optimizer.state(), optimizer.description()],
          };
        },
      ],
      [
        `${name}.add`,
        (core) => {
          const optimizer = new Class(core, all(core));
          const more = core.tensor([9, 2]);
          return {
            act: () => optimizer.add({ more }, {} as never),
            look: () => [optimizer.state(), optimizer.description()],
          };
        },
      ],
      ...(["Adafactor", "Muon"].includes(name)
        ? []
        : [
            [
              `${name}.stepRows`,
              (core: Core) => {
                const table = core.tensor([30, 4], randomValues(120, 1));
                const optimizer = new Class(core, { table });
                const indices = Array.from({ length: 25 }, (_, i) => (i * 7) % 30);
                return {
                  act: () => optimizer.stepRows("table", indices, randomValues(100, 2)),
                  look: () => [arrayOf(table), optimizer.state()],
                };
              },
            ] as [string, Setup],
            [
              `${name}.step of rows and others`,
              (core: Core) => {
                const [table, other, head] = [core.tensor([30, 4]), core.tensor([9, 2]), core.tensor([3, 2])];
                const optimizer = new Class(core, { table, other, head });
                const indices = Array.from({ length: 25 }, (_, i) => (i * 7) % 30);
                const grads = {
                  table: rows(indices, randomValues(100, 2)),
                  other: rows(indices.map((i) => i % 9).concat(indices.map((i) => i % 9)), randomValues(100, 3)),
                  head: randomValues(6, 4),
                };
                return {
                  act: () => optimizer.step(grads),
                  look: () => [[table, other, head].map(arrayOf), optimizer.state()],
                };
              },
            ] as [string, Setup],
          ]),
    ];
  }),
  ...Object.entries(everyLayer).flatMap(([name, { input, make, indices }]): [string, Setup][] => {
    const size = input.reduce((a, b) => a * b, 1);
    const rows = 3;
    const x = randomValues(rows * size, 1).map((value) =>
      indices ? Math.floor(Math.abs(value) * 7) % indices : value,
    );
    const network = (core: Core) => new Sequential(core, [make(), dense(2)], { inputShape: input, seed: 3 });
    return [
      [
        `a model of ${name}`,
        (core) => {
          const made: Sequential[] = [];
          return {
            act: () => made.push(network(core)),
            look: () => made.map((model) => Object.values(model.parameters).map(arrayOf)),
          };
        },
      ],
      [
        `predict, ${name}`,
        (core) => {
          const model = network(core);
          const made: Tensor[] = [];
          return {
            act: () => made.push(model.predict(x)),
            look: () => [...Object.values(model.parameters), ...made].map(arrayOf),
          };
        },
      ],
      [
        `Trainer.step, ${name}`,
        (core) => {
          const model = network(core);
          const trainer = new Trainer(model, {
            loss: meanSquaredError(),
            optimizer: (parameters) => new SGD(core, parameters, { momentum: 0.9 }),
          });
          const y = randomValues(rows * model.outputs, 2);
          let loss = Number.NaN;
          return {
            act: () => {
              loss = trainer.step(x, y);
            },
            look: () => [loss, Object.values(model.parameters).map(arrayOf), trainer.state()],
          };
        },
      ],
    ];
  }),
  ...["fit", "evaluate", "checkpoint"].map((what): [string, Setup] => [
    what,
    (core) => {
      const model = new Sequential(core, [dense(3, 5), tanh(), dense(5, 2)], { seed: 1 });
      const trainer = new Trainer(model, {
        loss: meanSquaredError(),
        optimizer: (parameters) => new SGD(core, parameters, { momentum: 0.9 }),
      });
      const [x, y] = [randomValues(30, 1), randomValues(20, 2)];
      const bytes = saveCheckpoint({ parameters: model.parameters, optimizer: trainer });
      const acts: Record<string, () => unknown> = {
        fit: () => trainer.fit({ x, y }, { batchSize: 10, shuffle: false }),
        evaluate: () => trainer.evaluate(x, y, { metrics: ["r2"] }),
        checkpoint: () => loadCheckpoint(bytes, { parameters: model.parameters, optimizer: trainer }),
      };
      // A fit that fails in its first batch has drawn its random numbers.
      const look = () => [Object.values(model.parameters).map(arrayOf), trainer.optimizer.state()];
      return { act: acts[what]!, look };
    },
  ]),
];

it("knows every layer and every optimizer", () => {
  expect(unlistedExports()).toEqual([]);
  expect(everyOptimizer.map(([name]) => name)).toContain("Lion");
});

const small = { initialBytes: 65536 };
describe.each<[string, () => Core | Promise<Core>]>([
  ["wasm", () => createCoreSync({ backend: "wasm", memory: small })],
  ["js", () => createCoreSync({ backend: "js", memory: small })],
])("any allocation may fail on %s", (_, makeCore) => {
  it.each(operations)("%s", async (name, setup) => {
    const allocations = await failEach(makeCore, setup);
    if (!/minimize|checkpoint|into a tensor/.test(name)) expect(allocations).toBeGreaterThan(0);
  });
});

describe("any allocation may fail on 2 threads", () => {
  const large: [string, Setup][] = [
    [
      "products",
      (core) => {
        const a = core.tensor([200, 200], randomValues(40_000, 1));
        const made: Tensor[] = [];
        return { act: () => made.push(matmul(a, a)), look: () => [a, ...made].map(arrayOf) };
      },
    ],
    [
      "steps",
      (core) => {
        const w = core.tensor([600, 600], randomValues(360_000, 1));
        const optimizer = new SGD(core, w, { momentum: 0.9 });
        const g = randomValues(360_000, 2);
        return { act: () => optimizer.step(g), look: () => arrayOf(w) };
      },
    ],
    [
      "training",
      (core) => {
        const model = new Sequential(core, [dense(100, 600), tanh(), dense(600, 2)], { seed: 1 });
        const trainer = new Trainer(model, {
          loss: meanSquaredError(),
          optimizer: (parameters) => new SGD(core, parameters),
        });
        const [x, y] = [randomValues(12_800, 1), randomValues(256, 2)];
        return { act: () => trainer.step(x, y), look: () => Object.values(model.parameters).map(arrayOf) };
      },
    ],
  ];
  it.each(large)("%s", async (_, setup) => {
    expect(await failEach(() => createCore({ threads: 2 }), setup)).toBeGreaterThan(0);
  });
});

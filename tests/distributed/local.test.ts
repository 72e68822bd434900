import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Core } from "../../src/core.js";
import { canonicalText, checkSame, type Description } from "../../src/distributed/description.js";
import {
  arrayRows,
  DistributedTrainer,
  LocalGroup,
  type RowSource,
  rangeReader,
  storedRows,
} from "../../src/distributed/index.js";
import { mixSeed, Order } from "../../src/distributed/order.js";
import { AdamW, createCore } from "../../src/entry/inline.js";
import { DisposedError, OptionError, ShapeError } from "../../src/errors.js";
import {
  add,
  batchNorm,
  conv2d,
  dense,
  dropout,
  flatten,
  input,
  Model,
  Sequential,
  softmaxCrossEntropy,
  Trainer,
} from "../../src/nn/index.js";
import { VERSION } from "../../src/version.js";
import { expectSameBits } from "../helpers/bits.js";
import { makeCore } from "../helpers/cores.js";
import { randomValues } from "../helpers/random.js";

const ROWS = 37;
const x = randomValues(ROWS * 36, 1);
const y = Float32Array.from({ length: ROWS }, (_, i) => (i * 7) % 3);

function createTrainer(core: Core): Trainer {
  const layers = [conv2d(4, { kernelSize: 3, activation: "relu" }), batchNorm(), flatten(), dropout(0.2), dense(3)];
  const model = new Sequential(core, layers, { inputShape: [6, 6, 1], seed: 3 });
  const optimizer = (parameters: Readonly<Record<string, import("../../src/tensor.js").Tensor>>) =>
    new AdamW(core, parameters, { learningRate: 0.01 });
  return new Trainer(model, { loss: softmaxCrossEntropy(), optimizer });
}

function valuesOf({ model }: Trainer): Record<string, Float32Array> {
  const tensors = Object.entries({ ...model.parameters, ...model.buffers });
  return Object.fromEntries(tensors.map(([name, { data }]) => [name, data.slice()]));
}

function expectSameValues(actual: Record<string, Float32Array>, expected: Record<string, Float32Array>): void {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, values] of Object.entries(expected)) expectSameBits(actual[name]!, values, name);
}

async function train(core: Core, microBatches: number, batchSize: number, epochs = 2) {
  const trainer = createTrainer(core);
  const distributed = new DistributedTrainer(trainer, new LocalGroup(), { microBatches, seed: 9 });
  const history = await distributed.fit({ x, y }, { epochs, batchSize });
  return { trainer, history, values: valuesOf(trainer) };
}

/** What members of a run of this model must agree on, as it travels. */
async function descriptionOf(model: Model): Promise<Description> {
  let seen: Description | undefined;
  class Listening extends LocalGroup {
    override open(...args: Parameters<LocalGroup["open"]>) {
      seen = args[1];
      return super.open(...args);
    }
  }
  const optimizer = (parameters: ConstructorParameters<typeof AdamW>[1]) => new AdamW(model.core, parameters);
  const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer });
  const inputs = model.inputTensors[0]!.shape[0]!;
  await new DistributedTrainer(trainer, new Listening()).fit({ x: new Float32Array(2 * inputs), y: [0, 1] });
  return JSON.parse(canonicalText(seen!)) as Description;
}

describe("members of a run", () => {
  it("must have layers made from the same arguments, which are named", async () => {
    const core = makeCore("js");
    const make = (width: number) =>
      descriptionOf(new Sequential(core, [dense(width), dropout(0.5), dense(2)], { inputShape: [3] }));
    const [own, theirs] = [await make(25), await make(24)];
    checkSame("r", own, own);
    expect(() => checkSame("r", own, theirs)).toThrow(
      /^run "r" is another one: .*model\.layers\[0\]\.outputs is 25 here, expected 24 as in the run/,
    );
  });

  it("must have connected them in the same way", async () => {
    const core = makeCore("js");
    /** The same layers and parameters: the second dense reads the first one, or the input. */
    const make = (isChain: boolean) => {
      const x = input([4]);
      const first = dense(4).apply(x);
      const second = dense(4).apply(isChain ? first : x);
      return descriptionOf(new Model(core, { inputs: x, outputs: add().apply([first, second]), seed: 1 }));
    };
    const [own, theirs] = [await make(true), await make(false)];
    expect(() => checkSame("r", own, theirs)).toThrow(
      'run "r" is another one: model.nodes[1].inputs[0] is 1 here, expected 0 as in the run',
    );
  });
});

describe("the bits of a run", () => {
  it("are those of micro-batches that are added by hand in the tree's order", async () => {
    const [microBatches, batchSize] = [4, 16];
    const { values, history } = await train(makeCore("wasm"), microBatches, batchSize, 1);
    const trainer = createTrainer(makeCore("js"));
    const { model } = trainer;
    const order = new Order(ROWS, batchSize, microBatches, true, 9);
    const F = Math.fround;
    const sum = (a: Float32Array, b: Float32Array) => a.map((value, i) => F(value + b[i]!));
    let lossSum = 0;
    for (let step = 0; step < 3; step++) {
      const rows = order.rowsOf(step);
      const before = Object.values(model.buffers).map(({ data }) => data.slice());
      const leaves = Array.from({ length: microBatches }, (_, index) => {
        const indices = order.indices(step, index);
        const weight = F((indices.length * microBatches) / rows);
        const inputs = Float32Array.from(
          { length: 36 * indices.length },
          (_, i) => x[36 * indices[Math.floor(i / 36)]! + (i % 36)]!,
        );
        const loss = trainer.backward(
          inputs,
          Float32Array.from(indices, (row) => y[row]!),
          { seed: mixSeed(9, step, index) },
        );
        const scaled = (values: Float32Array) => values.map((value) => F(value * weight));
        const leaf = {
          gradients: Object.values(trainer.gradients).map(({ data }) => scaled(data)),
          buffers: Object.values(model.buffers).map(({ data }) => scaled(data)),
          loss: F(F(loss) * weight),
        };
        Object.values(model.buffers).forEach(({ data }, i) => {
          data.set(before[i]!);
        });
        return leaf;
      });
      const tree = (pick: (leaf: (typeof leaves)[0]) => Float32Array) => {
        const [a, b, c, d] = leaves.map(pick) as [Float32Array, Float32Array, Float32Array, Float32Array];
        return sum(sum(a, b), sum(c, d)).map((value) => F(value / microBatches));
      };
      Object.values(trainer.gradients).forEach(({ data }, i) => {
        data.set(tree((leaf) => leaf.gradients[i]!));
      });
      Object.values(model.buffers).forEach(({ data }, i) => {
        data.set(tree((leaf) => leaf.buffers[i]!));
      });
      lossSum += tree((leaf) => Float32Array.of(leaf.loss))[0]! * rows;
      trainer.update();
    }
    expectSameValues(values, valuesOf(trainer));
    expect(history).toEqual([{ epoch: 1, epochs: 1, loss: lossSum / ROWS }]);
  });

  it("do not depend on backend or threads, but on the number of micro-batches", async () => {
    const threaded = await createCore({ threads: 2 });
    const [a, b, c, d] = await Promise.all([
      train(makeCore("wasm"), 6, 10),
      train(makeCore("js"), 6, 10),
      train(threaded, 6, 10),
      train(makeCore("wasm"), 7, 10),
    ]);
    expectSameValues(b.values, a.values);
    expectSameValues(c.values, a.values);
    expect(b.history).toEqual(a.history);
    expect(() => expectSameValues(d.values, a.values)).toThrow();
    threaded.dispose();
  });

  it("take batches with fewer rows than micro-batches, and a single micro-batch is a plain step", async () => {
    const { history } = await train(makeCore("js"), 16, 9);
    expect(history.map(({ loss }) => Number.isFinite(loss))).toEqual([true, true]);
    // 16 rows a step, no dropout seeds to match: without dropout and with one micro-batch `step` does the same.
    const build = () => {
      const core = makeCore("wasm");
      const model = new Sequential(core, [dense(36, 5), dense(5, 3)], { seed: 1 });
      return new Trainer(model, { loss: softmaxCrossEntropy(), optimizer: (p) => new AdamW(core, p) });
    };
    const [plain, distributed] = [build(), build()];
    const options = { batchSize: ROWS, shuffle: false, epochs: 3 };
    await new DistributedTrainer(distributed, new LocalGroup(), { microBatches: 1 }).fit({ x, y }, options);
    for (let i = 0; i < 3; i++) plain.step(x, y);
    expectSameValues(valuesOf(distributed), valuesOf(plain));
  });
});

describe("fit", () => {
  it("yields epochs with validation, reports progress, and goes on to more epochs", async () => {
    const trainer = createTrainer(makeCore("wasm"));
    const distributed = new DistributedTrainer(trainer, new LocalGroup(), { microBatches: 4, seed: 9 });
    const progress: number[][] = [];
    const epochs: number[] = [];
    const options = { batchSize: 16, validation: { x, y } };
    const onProgress = ({ epoch, batch, batches }: { epoch: number; batch: number; batches: number }) => {
      progress.push([epoch, batch, batches]);
    };
    for await (const { epoch, validation } of distributed.fit({ x, y }, { ...options, epochs: 1, onProgress })) {
      epochs.push(epoch);
      expect(validation).toEqual(trainer.evaluate(x, y));
    }
    expect(progress).toEqual([
      [1, 1, 3],
      [1, 2, 3],
      [1, 3, 3],
    ]);
    const later = await distributed.fit({ x, y }, { ...options, epochs: 2 });
    expect([...epochs, ...later.map(({ epoch }) => epoch)]).toEqual([1, 2]);
    expectSameValues(valuesOf(trainer), (await train(makeCore("wasm"), 4, 16)).values);
    expect(await distributed.fit({ x, y }, { ...options, epochs: 2 })).toEqual([]);
  });

  it("ends when its signal aborts, and when a loop over it is left; then it goes on where it was", async () => {
    const trainer = createTrainer(makeCore("wasm"));
    const distributed = new DistributedTrainer(trainer, new LocalGroup(), { microBatches: 4, seed: 9 });
    const controller = new AbortController();
    const onProgress = ({ batch }: { batch: number }) => batch === 2 && controller.abort(new Error("enough"));
    const options = { batchSize: 16, epochs: 2 };
    await expect(distributed.fit({ x, y }, { ...options, onProgress, signal: controller.signal })).rejects.toThrow(
      "enough",
    );
    for await (const _ of distributed.fit({ x, y }, options)) break;
    await distributed.fit({ x, y }, options);
    expectSameValues(valuesOf(trainer), (await train(makeCore("wasm"), 4, 16)).values);
  });

  it("refuses what makes no sense", async () => {
    const trainer = createTrainer(makeCore("js"));
    const group = new LocalGroup();
    expect(() => new DistributedTrainer(trainer, group, { microBatches: 0 })).toThrow(/microBatches is 0, expected/);
    expect(() => new DistributedTrainer(trainer, group, { batches: 1 } as object)).toThrow(
      /options.batches is not an option/,
    );
    expect(() => new DistributedTrainer({} as Trainer, group)).toThrow(OptionError);
    expect(() => new DistributedTrainer(trainer, {} as LocalGroup)).toThrow(/group is Object, expected a group/);
    const distributed = new DistributedTrainer(trainer, group);
    expect(() => distributed.fit({ x, y }, { epochs: -1 })).toThrow(/epochs is -1/);
    expect(() => distributed.fit({ x, y }, { signal: {} as AbortSignal })).toThrow(/signal is Object/);
    await expect(distributed.fit({ x: x.subarray(1), y })).rejects.toThrow(ShapeError);
    await expect(distributed.fit({ x: new Float32Array(0), y: new Float32Array(0) })).rejects.toThrow(/at least one/);
    const running = distributed.fit({ x, y }, { epochs: 1 });
    expect(() => distributed.fit({ x, y })).toThrow(/another fit/);
    await running;
    await expect(distributed.fit({ x, y }, { batchSize: 5 })).rejects.toThrow(/other data or options than before/);
    await expect(new DistributedTrainer(createTrainer(makeCore("js")), group).fit({ x, y })).rejects.toThrow(
      /trains already/,
    );
    trainer.dispose();
    await expect(distributed.fit({ x, y }, { epochs: 2 })).rejects.toThrow(DisposedError);
  });

  it("passes on what a source of rows throws", async () => {
    const source: RowSource = { count: 8, description: "", rows: () => Promise.reject(new Error("no such file")) };
    const distributed = new DistributedTrainer(createTrainer(makeCore("js")), new LocalGroup());
    await expect(distributed.fit(source)).rejects.toThrow("no such file");
  });
});

describe("sources of rows", () => {
  it("arrays: rows by index, and a description that every value changes", () => {
    const source = arrayRows({ x, y }, ROWS);
    const rows = source.rows(Uint32Array.of(5, 0, 36)) as { x: Float32Array; y: Float32Array };
    expectSameBits(rows.x, [...x.slice(180, 216), ...x.slice(0, 36), ...x.slice(1296)], "x");
    expectSameBits(rows.y, [y[5]!, y[0]!, y[36]!], "y");
    const other = y.slice();
    other[36] = 2 - other[36]!;
    expect(arrayRows({ x, y: other }, ROWS).description).not.toBe(source.description);
    const both = arrayRows({ x: [x, y], y: [y] }, ROWS).rows(Uint32Array.of(1)) as unknown as { x: Float32Array[] };
    expect(both.x.map(({ length }) => length)).toEqual([36, 1]);
  });

  it("arrays of a model of two inputs, with two rows: not taken for nested rows", async () => {
    const core = makeCore("js");
    const make = () => {
      const [a, b] = [input([2]), input([2])];
      const outputs = dense(3).apply(add().apply([dense(4).apply(a), dense(4).apply(b)]));
      const model = new Model(core, { inputs: [a, b], outputs, seed: 1 });
      const optimizer = (parameters: Readonly<Record<string, import("../../src/tensor.js").Tensor>>) =>
        new AdamW(core, parameters);
      return new Trainer(model, { loss: softmaxCrossEntropy(), optimizer });
    };
    const flat = {
      x: [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ],
      y: [0, 1],
    };
    const tensors = { x: flat.x.map((values) => core.tensor([2, 2], values)), y: core.tensor([2], flat.y) };
    const expected = make();
    expected.step(flat.x, flat.y);
    for (const data of [flat, tensors]) {
      const trainer = make();
      await new DistributedTrainer(trainer, new LocalGroup(), { microBatches: 1 }).fit(data, {
        epochs: 1,
        batchSize: 2,
        shuffle: false,
      });
      expectSameValues(valuesOf(trainer), valuesOf(expected));
    }
    const nested = arrayRows({ x: flat.x, y: flat.y }, 2).rows(Uint32Array.of(1)) as unknown as { x: Float32Array };
    expectSameBits(nested.x, [5, 6, 7, 8], "x");
  });

  it("files: runs of neighbouring rows are one read, types and scales", async () => {
    const file = new Uint8Array(4 + 5 * 9);
    const view = new DataView(file.buffer);
    for (let row = 0; row < 5; row++) {
      view.setFloat32(4 + 9 * row, row + 0.5, true);
      view.setFloat32(8 + 9 * row, -row, true);
      view.setUint8(12 + 9 * row, 10 * row);
    }
    const reads: number[][] = [];
    const source = storedRows({
      count: 5,
      rowBytes: 9,
      headerBytes: 4,
      x: { offset: 0, width: 2, type: "float32" },
      y: { offset: 8, width: 1, type: "uint8", scale: 0.1 },
      description: "five rows",
      read: async (begin, end) => {
        reads.push([begin, end]);
        return file.subarray(begin, end);
      },
    });
    const rows = (await source.rows(Uint32Array.of(3, 4, 1))) as { x: Float32Array; y: Float32Array };
    expectSameBits(rows.x, [3.5, -3, 4.5, -4, 1.5, -1], "x");
    expectSameBits(
      rows.y,
      [30, 40, 10].map((value) => Math.fround(Math.fround(0.1) * value)),
      "y",
    );
    expect(reads).toEqual([
      [31, 49],
      [13, 22],
    ]);
  });

  it("files on a server that answers range requests, and one that does not", async () => {
    const { createServer } = await import("node:http");
    const bytes = Uint8Array.from({ length: 20 }, (_, i) => i);
    const server = createServer((request, response) => {
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
      if (request.url === "/whole" || range === null) response.end(bytes);
      else response.writeHead(206).end(bytes.subarray(Number(range[1]), Number(range[2]) + 1));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    try {
      expect([...(await rangeReader(`http://127.0.0.1:${port}/file`)(3, 6))]).toEqual([3, 4, 5]);
      await expect(rangeReader(`http://127.0.0.1:${port}/whole`)(3, 6)).rejects.toThrow(/status 200, expected 206/);
    } finally {
      server.close();
    }
  });

  it("refuses fields that do not fit into a row, and reads that are short", async () => {
    const layout = {
      count: 2,
      rowBytes: 8,
      x: { offset: 0, width: 1, type: "float32" },
      y: { offset: 4, width: 1, type: "float32" },
      description: "",
      read: async () => new Uint8Array(3),
    } as const;
    expect(() => storedRows({ ...layout, y: { ...layout.y, offset: 5 } })).toThrow(
      /y ends at byte 9 of a row, expected at most 8/,
    );
    expect(() => storedRows({ ...layout, x: { ...layout.x, type: "int64" as "uint8" } })).toThrow(/x.type is "int64"/);
    await expect(storedRows(layout).rows(Uint32Array.of(0))).rejects.toThrow(/3 bytes, expected 8/);
  });
});

describe("Order", () => {
  it("has every row once an epoch, in another order each, the same for all", () => {
    const order = new Order(23, 8, 3, true, 5);
    const epoch = (first: number) =>
      [0, 1, 2].flatMap((step) => [0, 1, 2].flatMap((i) => [...order.indices(first + step, i)]));
    const [one, two] = [epoch(0), epoch(3)];
    const all = Array.from({ length: 23 }, (_, i) => i);
    expect([...one].sort((a, b) => a - b)).toEqual(all);
    expect([...two].sort((a, b) => a - b)).toEqual(all);
    expect(one).not.toEqual(two);
    expect(epoch(0)).toEqual(one);
    expect([0, 1, 2].map((step) => order.rowsOf(step))).toEqual([8, 8, 7]);
    expect(new Order(4, 2, 1, false, 0).indices(1, 0)).toEqual(Uint32Array.of(2, 3));
  });
});

it("the version is the package's", () => {
  expect(VERSION).toBe(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version);
});

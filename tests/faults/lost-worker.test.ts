// A worker that stalls or traps inside a kernel, after it has written to its result.

import { describe, expect, it } from "vitest";
import type { Core } from "../../src/core.js";
import { createCoreSync } from "../../src/entry/inline.js";
import { Adam, BackendError, Muon, matmul, type Optimizer, SGD, type Tensor } from "../../src/index.js";
import { dense, meanSquaredError, relu, Sequential, Trainer } from "../../src/nn/index.js";
import { randomValues } from "../helpers/random.js";
import { coreWithSpoiltWorker, type Spoilt } from "../helpers/spoilt-workers.js";

const SIZE = 4096;
const ways: Spoilt[] = ["spins", "traps"];

/** Makes a call again until the worker was fast enough to take part, and fails; how many calls came to an end before. */
function callsBefore(call: () => void): { calls: number; error: Error } {
  for (let calls = 0; calls < 10_000; calls++) {
    try {
      call();
    } catch (error) {
      return { calls, error: error as Error };
    }
  }
  return expect.fail("the worker never took part");
}

/** Numbers of a list like "0 to 5, 8". */
function numbersIn(ranges: string): Set<number> {
  const numbers = new Set<number>();
  for (const range of ranges.split(", ")) {
    const [first, last = first] = range.split(" to ").map(Number);
    for (let i = first!; i <= last!; i++) numbers.add(i);
  }
  return numbers;
}

/** What has to hold once a core is broken: nothing is computed or allocated, tensors are read, no memory is given back. */
function expectBroken(core: Core, error: Error, tensor: Tensor, uses: (() => unknown)[]): void {
  expect(error).toBeInstanceOf(BackendError);
  expect(error.message).toMatch(/^(a worker thread ended|a kernel failed) in the middle of /);
  for (const use of [() => core.tensor([1]), ...uses]) {
    expect(use).toThrow(BackendError);
    expect(use).toThrow(/^the core cannot be used any more: (a worker thread ended|a kernel failed) in the middle of /);
  }
  expect(tensor.data.length).toBe(tensor.size);
  expect(tensor.toArray()).toHaveLength(tensor.shape[0]!);
  const { bytesInUse } = core.memory;
  tensor.dispose();
  expect(core.memory.bytesInUse).toBe(bytesInUse);
  core.dispose();
}

describe.each(ways)("a worker that %s", (way) => {
  it.each([0, 1])("in a product with beta %i loses the rows or columns that the error names", async (beta) => {
    const core = await coreWithSpoiltWorker(way, (kernel) => kernel === "gemm_f32");
    const n = 128;
    const unit = core.tensor([n, n], (i) => +(i % (n + 1) === 0));
    const out = core.tensor([n, n]);
    const { error } = callsBefore(() => {
      out.data.fill(1);
      matmul(unit, unit, { out, beta, alpha: 3 });
    });
    const [, kind, ranges] = /a product: (rows|columns) ([\d to,]+) of its result are lost/.exec(error.message)!;
    const lost = numbersIn(ranges!);
    expect(lost.size).toBeGreaterThan(0); // all, if the worker trapped in one chunk after the other
    if (way === "spins") expect(lost.size).toBeLessThan(n);
    for (const [i, value] of out.data.entries()) {
      const along = kind === "rows" ? Math.floor(i / n) : i % n;
      if (!lost.has(along)) expect(value).toBe(beta + (i % (n + 1) === 0 ? 3 : 0));
    }
    expectBroken(core, error, out, [() => matmul(unit, unit, { out }), () => unit.core.scope(() => 1)]);
  });

  const optimizers: [string, (core: Core, parameters: Tensor[]) => Optimizer][] = [
    ["SGD", (core, p) => new SGD(core, p, { learningRate: 0.5, momentum: 0.5 })],
    ["Adam", (core, p) => new Adam(core, p, { learningRate: 0.5, emaDecay: 0.5 })],
    ["Muon, whole parameters", (core, p) => new Muon(core, p, { learningRate: 0.5 })],
  ];
  it.each(optimizers)("in a step of %s loses the elements that the error names, and no others", async (_, make) => {
    const core = await coreWithSpoiltWorker(way, (kernel) => !/gemm|measure|accumulate/.test(kernel));
    const model = createCoreSync({ backend: "js" });
    const [side, count] = [48, 3];
    const run = (on: Core) => {
      const parameters = Array.from({ length: count }, (__, i) =>
        on.tensor([side, side], randomValues(side * side, i)),
      );
      const grads = Array.from({ length: count }, (__, i) => on.tensor([side, side], randomValues(side * side, 9 + i)));
      return { parameters, optimizer: make(on, parameters), grads };
    };
    const attacked = run(core);
    const expected = run(model);
    const { calls, error } = callsBefore(() => attacked.optimizer.step(attacked.grads));
    for (let i = 0; i <= calls; i++) expected.optimizer.step(expected.grads);
    let kept = 0;
    for (const [index, { data }] of expected.parameters.entries()) {
      const list = new RegExp(`elements ([\\d to,]+?) of parameter ${index}\\b`).exec(error.message);
      const lost = list === null ? new Set() : numbersIn(list[1]!);
      for (const [i, value] of data.entries()) {
        if (lost.has(i)) continue;
        expect(attacked.parameters[index]!.data[i], `parameter ${index}, element ${i}`).toBe(value);
        kept++;
      }
    }
    if (way === "spins") expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(count * side * side);
    expect(attacked.optimizer.iterations).toBe(calls);
    const { optimizer, grads } = attacked;
    expectBroken(core, error, attacked.parameters[0]!, [() => optimizer.step(grads), () => optimizer.state()]);
    model.dispose();
  });

  it("in an accumulation loses sums and no parameters", async () => {
    const core = await coreWithSpoiltWorker(way, (kernel) => kernel === "accumulate_f32");
    const w = core.tensor([SIZE], randomValues(SIZE, 1));
    const before = w.data.slice();
    const optimizer = new SGD(core, w, { accumulationSteps: 2 ** 20 });
    const g = core.tensor([SIZE]).set(() => 1);
    const { error } = callsBefore(() => optimizer.step(g));
    expect(error.message).toMatch(/an accumulation of gradients: elements [\d to,]+ of parameter 0 in the sums/);
    expect(w.data).toEqual(before);
    expectBroken(core, error, w, [() => optimizer.step(g)]);
  });

  it("in training ends it, with what it was doing", async () => {
    const core = await coreWithSpoiltWorker(way, (kernel) => kernel === "gemm_f32");
    const model = new Sequential(core, [dense(64, 128), relu(), dense(128, 4)], { seed: 5 });
    const trainer = new Trainer(model, {
      loss: meanSquaredError(),
      optimizer: (parameters) => new SGD(core, parameters),
    });
    const x = core.tensor([128, 64], randomValues(128 * 64, 1));
    const y = core.tensor([128, 4], randomValues(128 * 4, 2));
    const { calls, error } = callsBefore(() => trainer.step(x, y));
    expect(trainer.optimizer.iterations).toBe(calls);
    await expect(
      (async () => {
        await trainer.fit({ x, y }, { epochs: 1 });
      })(),
    ).rejects.toThrow(BackendError);
    expectBroken(core, error, x, [() => trainer.step(x, y), () => model.predict(x)]);
  });

  it("in another library's heap never gives its blocks back", async () => {
    const attach = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true });
    let top = 1024;
    const freed: number[] = [];
    const memory = {
      attach,
      allocate: (bytes: number) => {
        const address = top;
        top += Math.ceil(bytes / 64) * 64;
        return address;
      },
      free: (address: number) => freed.push(address),
    };
    const core = await coreWithSpoiltWorker(way, (kernel) => kernel === "sgd_f32", { memory });
    const w = core.tensor([SIZE]);
    const g = core.tensor([SIZE]);
    const optimizer = new SGD(core, w);
    const { error } = callsBefore(() => optimizer.step(g));
    const before = freed.length;
    optimizer.dispose();
    expectBroken(core, error, w, [() => new SGD(core, g)]);
    expect(freed.length).toBe(before);
  });
});

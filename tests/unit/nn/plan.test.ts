import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../../src/index.js";
import { matmul } from "../../../src/index.js";
import { type Batch, dense, meanSquaredError, Sequential, Trainer, tanh } from "../../../src/nn/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

const STEPS = 100_000;

/** Bytes of the JavaScript heap that a step takes, in a process whose young generation is too large to be collected. */
function bytesPerStep(): number {
  const script = `
    import { createCoreSync } from "./src/entry/inline.js";
    import { RMSProp } from "./src/optim/rmsprop.js";
    import { dense, dropout, meanSquaredError, Sequential, Trainer, tanh } from "./src/nn/index.js";
    const core = createCoreSync({ backend: "wasm" });
    const model = new Sequential(core, [dense(3, 4), tanh(), dropout(0.5), dense(4, 2)]);
    const optimizer = (parameters) => new RMSProp(core, parameters);
    const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer });
    const batches = [8, 5].map((rows) => [core.tensor([rows, 3], () => 0.5), core.tensor([rows, 2])]);
    const run = () => {
      for (let i = 0; i < ${STEPS}; i++) trainer.step(...batches[i % 2]);
    };
    run();
    globalThis.gc();
    const before = process.memoryUsage().heapUsed;
    run();
    console.log((process.memoryUsage().heapUsed - before) / ${STEPS});
  `;
  const flags = ["--import", "tsx", "--expose-gc", "--min-semi-space-size=64", "--input-type=module"];
  return Number(execFileSync(process.execPath, [...flags, "--eval", script], { encoding: "utf8" }));
}

describe.each(backends)("the plan of a step on %s", (backend) => {
  const make = () => {
    const core = makeCore(backend);
    const model = new Sequential(core, [dense(5, 9), tanh(), dense(9, 2)], { seed: 1 });
    let gradients: Float32Array[] = [];
    const optimizer = () => ({
      step(given: Readonly<Record<string, Tensor>>) {
        gradients = Object.values(given).map(({ data }) => data.slice());
      },
      dispose() {},
    });
    const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer });
    const gradientsOf = (x: Batch, y: Batch) => [Float32Array.of(trainer.step(x, y)), ...gradients];
    return { core, model, gradientsOf };
  };
  const x = randomValues(13 * 5, 1);
  const y = randomValues(13 * 2, 2);
  const sizes = Array.from({ length: 13 }, (_, i) => 13 - i);

  it("is the same when a size comes back after many others", () => {
    const { model, gradientsOf } = make();
    const batches = [...sizes, ...sizes].map((rows) => [x.subarray(0, rows * 5), y.subarray(0, rows * 2)] as const);
    const fresh = batches.map((batch) => make().gradientsOf(...batch));
    expect(batches.map((batch) => gradientsOf(...batch))).toEqual(fresh);
    const all = model.predict(x).data;
    for (const rows of [...sizes, ...sizes]) {
      expectSameBits(model.predict(x.subarray(0, rows * 5)).data, all.subarray(0, rows * 2), `${rows} rows`);
    }
  });

  it("reads each batch in place", () => {
    const { core, gradientsOf } = make();
    const batches = [0, 1, 2].map((i) => [x.subarray(i * 20, i * 20 + 20), y.subarray(i * 8, i * 8 + 8)] as const);
    const fromArrays = batches.map(([xi, yi]) => gradientsOf(xi, yi));
    expect(fromArrays[0]).not.toEqual(fromArrays[1]);
    const tensors = batches.map(([xi, yi]) => [core.tensor([4, 5], xi), core.tensor([4, 2], yi)] as const);
    expect(tensors.map(([xi, yi]) => gradientsOf(xi, yi))).toEqual(fromArrays);
  });

  it("follows the scratch block of the core when that moves", () => {
    const { core, gradientsOf } = make();
    const before = gradientsOf(x, y);
    const { bytesInUse } = core.memory;
    matmul(core.tensor([90, 90]), core.tensor([90, 90])); // needs more scratch: the old block is free now
    expect(core.memory.bytesInUse).toBeGreaterThan(bytesInUse);
    const tensors = Array.from({ length: 200 }, () => core.tensor([16], () => 7)); // some lie where it was
    expect(gradientsOf(x, y)).toEqual(before);
    for (const tensor of tensors) expect(new Set(tensor.data)).toEqual(new Set([7]));
  });
});

it("a step allocates nothing but the number that it returns, whatever sizes alternate", () => {
  // That number is a box of 16 bytes; what remains is the engine's own, a constant spread over the steps.
  expect(bytesPerStep()).toBeLessThan(22);
});

// Training that goes on and on, with batches of changing sizes, growth and disposal: memory and handles stay as they are.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Core } from "../../src/core.js";
import { createCoreSync } from "../../src/entry/inline.js";
import { AdamW } from "../../src/index.js";
import { dense, dropout, relu, Sequential, softmaxCrossEntropy, Trainer } from "../../src/nn/index.js";
import { eagerCore } from "../helpers/eager-core.js";
import { randomValues } from "../helpers/random.js";
import { FUZZ_TIMEOUT, fuzzing } from "../helpers/soak.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const ROWS = 64;
const x = randomValues(ROWS * 8, 1);
const y = Uint8Array.from({ length: ROWS }, (_, i) => i % 3);

/** Trains a new network by a batch of each of these sizes, and makes and drops a tensor of `elements` after each. */
function round(core: Core, sizes: readonly number[], elements: number): void {
  const model = new Sequential(core, [dense(16), relu(), dropout(0.5), dense(3)], { inputShape: [8] });
  const trainer = new Trainer(model, {
    loss: softmaxCrossEntropy(),
    optimizer: (parameters) => new AdamW(core, parameters),
  });
  for (const size of sizes) {
    trainer.step(x.subarray(0, size * 8), y.subarray(0, size));
    model.predict(x.subarray(0, size * 8)).dispose();
    core.tensor([elements]).dispose();
  }
  trainer.evaluate(x, y);
  trainer.dispose();
  model.dispose();
}

/** What must not grow: JavaScript's heap, handles, linear memory. */
async function usage(core: Core) {
  await new Promise((resolve) => setTimeout(resolve, 50)); // workers end
  collect();
  const { bytesInUse, bytesReserved } = core.memory;
  return {
    heap: process.memoryUsage().heapUsed,
    handles: process.getActiveResourcesInfo().length,
    bytesInUse,
    bytesReserved,
  };
}

it(
  "memory and handles are flat however long training goes on",
  async () => {
    const core = createCoreSync();
    const largest = 2 ** 20;
    const sizes = Array.from({ length: 200 }, (_, i) => 1 + (i % ROWS));
    let rounds = 0;
    const once = async (some: readonly number[], elements: number) => {
      round(core, some, elements);
      const threaded = await eagerCore({ threads: 2 });
      round(threaded, some.slice(0, 5), elements);
      threaded.dispose();
      rounds++;
    };
    for (let i = 0; i < 5; i++) await once(sizes, largest);
    const before = await usage(core);
    const program = fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: ROWS }), { maxLength: 200 }),
      fc.integer({ min: 0, max: largest }),
      once,
    );
    await fc.assert(program, fuzzing(40));
    const after = await usage(core);
    expect(rounds).toBeGreaterThan(20);
    expect({ ...after, heap: 0 }).toEqual({ ...before, heap: 0 });
    expect(after.heap - before.heap).toBeLessThan(2 ** 22);
    core.dispose();
  },
  FUZZ_TIMEOUT,
);

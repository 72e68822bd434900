// Ten times the parameters are ten times the work, in whatever an optimizer and a checkpoint do with them.

import { expect, it } from "vitest";
import { loadCheckpoint, saveCheckpoint } from "../../src/checkpoint/index.js";
import { createCoreSync } from "../../src/entry/inline.js";
import { AdamW, type Tensor } from "../../src/index.js";

/** Milliseconds of the processor's time that each operation takes for this number of tensors. */
function measure(count: number): Map<string, number> {
  const core = createCoreSync();
  const took = new Map<string, number>();
  const timed = <T>(name: string, action: () => T): T => {
    const before = process.cpuUsage();
    const result = action();
    took.set(name, process.cpuUsage(before).user / 1000);
    return result;
  };
  const make = (): Tensor[] => Array.from({ length: count }, (_, i) => core.tensor([3], [i, 1, 2]));
  const [params, grads] = timed("tensors", () => [make(), make()] as const);
  const optimizer = timed("constructor", () => new AdamW(core, params));
  timed("steps", () => {
    for (let step = 0; step < 5; step++) optimizer.step(grads);
  });
  const state = timed("state", () => optimizer.state());
  timed("load", () => optimizer.load(state));
  const file = timed("saveCheckpoint", () => saveCheckpoint({ parameters: params, optimizer }));
  timed("loadCheckpoint", () => loadCheckpoint(file, { parameters: params, optimizer }));
  timed("setOptions", () => optimizer.setOptions({ emaDecay: 0.9 }));
  timed("averaged", () => optimizer.averaged());
  timed("add", () => optimizer.add(core.tensor([2])));
  timed("dispose", () => {
    optimizer.dispose();
    for (const tensor of [...params, ...grads]) tensor.dispose();
  });
  core.dispose();
  return took;
}

it("the time for 200,000 tensors is linear in their number", () => {
  measure(20_000); // compiles
  const few = measure(20_000);
  const many = measure(200_000);
  for (const [name, time] of few) {
    // Work in the square of the number would take a hundred times as long; what is short has no ratio.
    expect(many.get(name)!, name).toBeLessThan(40 * Math.max(time, 20));
  }
});

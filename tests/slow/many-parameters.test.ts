// A million parameters go through whatever an optimizer and a checkpoint do. Work in the square of their number would take
// days; docs/reliability.md has measured times.

import { expect, it } from "vitest";
import { loadCheckpoint, saveCheckpoint } from "../../src/checkpoint/index.js";
import { createCoreSync, OptionError } from "../../src/entry/inline.js";
import { AdamW, type Tensor } from "../../src/index.js";

const COUNT = 1_000_000;

it("a million tensors are trained, saved and loaded", { timeout: 600_000 }, () => {
  const core = createCoreSync();
  const make = (): Tensor[] => Array.from({ length: COUNT }, (_, i) => core.tensor([2], [i, 1]));
  const params = make();
  const grads = make();
  const optimizer = new AdamW(core, params, { learningRate: 0.5, weightDecay: 0 });
  optimizer.step(grads);
  optimizer.step(grads);
  optimizer.load(optimizer.state());
  optimizer.setOptions({ learningRate: 0.25 });
  optimizer.step(grads);
  optimizer.add(core.tensor([2]));
  expect(optimizer.iterations).toBe(3);
  // A constant gradient moves each parameter by the learning rate.
  for (const i of [1, 2, 65_535, COUNT - 1]) {
    expect(params[i]!.data[1]).toBeCloseTo(1 - 1.25, 5);
    expect(params[i]!.data[0]! - i).toBeCloseTo(-1.25, 1);
  }

  // Three million tensors do not fit into a header, and that is noticed before they are written down.
  expect(() => saveCheckpoint({ parameters: params, optimizer })).toThrow(OptionError);

  const file = saveCheckpoint({ parameters: params });
  const before = params.at(-1)!.toArray();
  for (const tensor of params) tensor.set([0, 0]);
  loadCheckpoint(file, { parameters: params });
  expect(params.at(-1)!.toArray()).toEqual(before);
  core.dispose();
});

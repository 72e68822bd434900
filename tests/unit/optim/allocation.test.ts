import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";

const STEPS = 200_000;

/** Bytes of the JavaScript heap that a step takes, in a process whose young generation is too large to be collected. */
function bytesPerStep(backend: string, setup: string): number {
  const script = `
    import { createCoreSync } from "./src/entry/inline.js";
    import { RMSProp } from "./src/optim/rmsprop.js";
    import { AdaGrad } from "./src/optim/adagrad.js";
    import { Adam } from "./src/optim/adam.js";
    import { SGD } from "./src/optim/sgd.js";
    const core = createCoreSync({ backend: "${backend}" });
    const tensor = () => core.tensor([5], [1, 2, 3, 4, 5]);
    const array = () => new Float32Array(5).fill(1);
    const { optimizer, grads, rows } = (() => { ${setup} })();
    const step = rows ? () => optimizer.stepRows("0", rows, grads) : () => optimizer.step(grads);
    for (let i = 0; i < ${STEPS}; i++) step();
    globalThis.gc();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < ${STEPS}; i++) step();
    console.log((process.memoryUsage().heapUsed - before) / ${STEPS});
  `;
  const flags = ["--import", "tsx", "--expose-gc", "--min-semi-space-size=64", "--input-type=module"];
  return Number(execFileSync(process.execPath, [...flags, "--eval", script], { encoding: "utf8" }));
}

describe.each(["js", "wasm"])("a step allocates nothing on %s", (backend) => {
  it.each([
    ["a tensor", "return { optimizer: new RMSProp(core, tensor()), grads: tensor() };"],
    ["an array", 'return { optimizer: new RMSProp(core, array(), { onNonFinite: "skip" }), grads: array() };'],
    [
      "a record, with a parameter passed over",
      "const p = { a: tensor(), b: array(), c: tensor() }; const grads = { a: tensor(), b: tensor(), c: null };" +
        "return { optimizer: new RMSProp(core, p, { momentum: 0.9, centered: true }), grads };",
    ],
    [
      "groups, with every kind of work between steps",
      "const groups = [{ params: { a: tensor() } }, { params: [array()], learningRate: 0.1, clipValue: 1 }];" +
        "const options = { biasCorrection: true, weightDecay: 0.1, decoupledWeightDecay: true };" +
        "return { optimizer: new RMSProp(core, groups, options), grads: [{ params: { a: tensor() } }, [array()]] };",
    ],
    [
      "a dialect",
      'return { optimizer: new RMSProp(core, [tensor()], { dialect: "optax", biasCorrection: true }), grads: [tensor()] };',
    ],
    ["Adam", "return { optimizer: new Adam(core, [tensor(), tensor()]), grads: [tensor(), tensor()] };"],
    ["AdaGrad", "return { optimizer: new AdaGrad(core, [tensor()], { learningRateDecay: 0.01 }), grads: [tensor()] };"],
    [
      "averages and accumulation, all groups with rates of their own",
      "const groups = [{ params: tensor(), learningRate: 0.1 }, { params: array(), learningRate: 0.2 }];" +
        "const options = { emaDecay: 0.9, accumulationSteps: 3 };" +
        "return { optimizer: new RMSProp(core, groups, options), grads: [tensor(), array()] };",
    ],
    [
      "single rows, one of them named twice",
      "const optimizer = new RMSProp(core, core.tensor([9, 2]), { emaDecay: 0.9 });" +
        "return { optimizer, grads: new Float32Array(6), rows: [3, 8, 3] };",
    ],
    ["SGD", "return { optimizer: new SGD(core, [tensor()], { momentum: 0.9, dampening: 0.5 }), grads: [tensor()] };"],
  ])("%s", (_, setup) => {
    // What V8 inlines, and so need not box, depends on when its compiler gets to run: on a busy machine not every process
    // is like the next. One boxed number would be 12 bytes; what remains is the engine's own, a constant spread over the steps.
    let least = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < 4 && least >= 6; attempt++) least = Math.min(least, bytesPerStep(backend, setup));
    expect(least).toBeLessThan(6);
  });
});

import { describe, expect, it } from "vitest";
import { OptionError } from "../../../src/errors.js";
import { dense, relu, Sequential, softmaxCrossEntropy, Trainer } from "../../../src/nn/index.js";
import { AdamW } from "../../../src/optim/adam.js";
import { RMSProp } from "../../../src/optim/rmsprop.js";
import { SGD } from "../../../src/optim/sgd.js";
import { splitDecay } from "../../../src/optim/split-decay.js";
import { expectSameBits } from "../../helpers/bits.js";
import { makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

const core = makeCore("js");

describe("groups by name", () => {
  it("take one record of gradients, as the groups' arrays", () => {
    const make = () => ({ a: randomValues(3, 1), b: randomValues(2, 2) });
    const [x, y] = [make(), make()];
    const groups = ({ a, b }: ReturnType<typeof make>) => [{ params: { a }, weightDecay: 0.5 }, { params: { b } }];
    const [first, second] = [new SGD(core, groups(x)), new SGD(core, groups(y))];
    const { a, b } = { a: randomValues(3, 3), b: randomValues(2, 4) };
    for (let i = 0; i < 3; i++) {
      first.step({ a, b });
      second.step([{ a }, { params: { b } }]);
    }
    first.step({ b });
    second.step([null, { b }]);
    for (const name of ["a", "b"] as const) expectSameBits(x[name], y[name], name);
    expect(() => first.step({ a, c: b })).toThrow("grads.c is not a parameter; known are a, b");
    expect(() => first.step({ a: b })).toThrow("has 2 elements, expected 3");
    const lists = new SGD(core, [{ params: [x.a] }, { params: { b: x.b } }]);
    expect(() => lists.step({ b })).toThrow("expected an array with the gradients of each group");
  });

  it("train in a Trainer: weights decay, biases do not", () => {
    const model = new Sequential(core, [dense(5, 4), relu(), dense(4, 3)], { seed: 1 });
    const trainer = new Trainer(model, {
      loss: softmaxCrossEntropy(),
      optimizer: (parameters) => new AdamW(core, splitDecay(parameters, 0.1), { learningRate: 0.01 }),
    });
    const { groups } = trainer.optimizer.description();
    const isBias = (name: string) => model.parameters[name]!.shape.length === 1;
    expect(groups.map(({ options }) => options.weightDecay)).toEqual([0.1, 0]);
    expect(groups[0]!.parameters.some(isBias)).toBe(false);
    expect(groups[1]!.parameters.every(isBias)).toBe(true);
    const x = randomValues(4 * 5, 7);
    const losses = Array.from({ length: 30 }, () => trainer.step(x, [0, 1, 2, 0]));
    expect(losses[29]!).toBeLessThan(losses[0]!);
  });

  it("splitDecay: by axes or by what is told; empty groups are left out", () => {
    const [w, b, v] = [core.tensor([2, 2]), core.tensor([2]), new Float32Array(2)];
    expect(splitDecay({ w, b, v }, 0.5)).toEqual([
      { params: { w }, weightDecay: 0.5 },
      { params: { b, v }, weightDecay: 0 },
    ]);
    expect(splitDecay({ w }, 0.5)).toEqual([{ params: { w }, weightDecay: 0.5 }]);
    expect(splitDecay({ w, b }, 0.5, { decays: (name) => name === "b" })[0]).toEqual({
      params: { b },
      weightDecay: 0.5,
    });
    for (const call of [
      () => splitDecay([w] as never, 0.5),
      () => splitDecay({}, 0.5),
      () => splitDecay({ w }, undefined as never),
      () => splitDecay({ w }, 0.5, { no: 1 } as never),
      () => splitDecay({ w }, 0.5, { decays: 1 } as never),
    ]) {
      expect(call).toThrow(OptionError);
    }
  });
});

describe("misspelt options", () => {
  it.each([
    ["lr", "learningRate"],
    ["learning_rate", "learningRate"],
    ["learningrate", "learningRate"],
    ["learnigRate", "learningRate"],
    ["rho", "decay"],
    ["alpha", "decay"],
    ["epsilon", "eps"],
    ["weight_decay", "weightDecay"],
    ["clipnorm", "clipNorm"],
    ["momentun", "momentum"],
    ["momemtum", "momentum"],
    ["beta", "momentum"],
    ["centred", "centered"],
    ["xyz", undefined],
  ])("%s: did you mean %s?", (key, meant) => {
    const make = () => new RMSProp(core, new Float32Array(1), { [key]: 0.5 });
    const inGroup = () => new RMSProp(core, [{ params: [new Float32Array(1)], [key]: 0.5 }]);
    const advice = meant === undefined ? "" : `, did you mean ${meant}?`;
    expect(make).toThrow(`options.${key} is not an option${advice}; known are learningRate, `);
    expect(inGroup).toThrow(`params[0].${key} is not an option${advice}; known are learningRate, `);
  });
});

import { describe, expect, it } from "vitest";
import { createCoreSync } from "../../../src/entry/inline.js";
import { OptionError } from "../../../src/errors.js";
import { RMSProp, type RMSPropOptions } from "../../../src/optim/rmsprop.js";
import { SGD, type SGDOptions } from "../../../src/optim/sgd.js";

const core = createCoreSync();
const vector = () => new Float32Array([1, 2]);

/** Options by the message that refuses them. */
const REFUSED: [string, unknown][] = [
  ["options is 5", 5],
  ["options is null", null],
  ["options.rho is not an option", { rho: 0.9 }],
  ['dialect is "torch", expected one of "lanewise", "pytorch"', { dialect: "torch" as "pytorch" }],
  ["learningRate is -1", { learningRate: -1 }],
  ["learningRate is null", { learningRate: null }],
  ["learningRate is NaN", { learningRate: Number.NaN }],
  ["learningRate is Infinity", { learningRate: Number.POSITIVE_INFINITY }],
  ['learningRate is "0.1"', { learningRate: "0.1" }],
  ["decay is 1.5, expected a number from 0 to 1", { decay: 1.5 }],
  ["decay is -0.1", { decay: -0.1 }],
  ["decay is NaN", { decay: Number.NaN }],
  ["eps is -1", { eps: -1 }],
  ["eps is NaN", { eps: Number.NaN }],
  ['epsPlacement is "under"', { epsPlacement: "under" }],
  ["momentum is -0.5", { momentum: -0.5 }],
  ["momentum is Infinity", { momentum: Number.POSITIVE_INFINITY }],
  ["nesterov is 1, expected true or false", { nesterov: 1, momentum: 0.9 }],
  ["nesterov needs momentum > 0", { nesterov: true }],
  ["centered is 0", { centered: 0 }],
  ["meanDecay is 2", { meanDecay: 2, centered: true }],
  ["meanDecay needs centered: true", { meanDecay: 0.5 }],
  ["initialScale is -1", { initialScale: -1 }],
  ['biasCorrection is "yes"', { biasCorrection: "yes" }],
  ["decay is 1, expected less with biasCorrection", { biasCorrection: true, decay: 1 }],
  ["meanDecay is 1, expected less", { biasCorrection: true, centered: true, meanDecay: 1 }],
  ["weightDecay is -1", { weightDecay: -1 }],
  ["weightDecay is null", { weightDecay: null }],
  ["decoupledWeightDecay is 1", { decoupledWeightDecay: 1 }],
  ["clipValue is 0, expected a number > 0", { clipValue: 0 }],
  ["clipNorm is NaN", { clipNorm: Number.NaN }],
  ["globalClipNorm is -2", { globalClipNorm: -2 }],
  ["clipValue and globalClipNorm are both given", { globalClipNorm: 1, clipValue: 1 }],
  ["maximize is null", { maximize: null }],
  ['onNonFinite is "ignore"', { onNonFinite: "ignore" }],
];

const REFUSED_BY_SGD: [string, unknown][] = [
  ["options.decay is not an option", { decay: 0.9 }],
  ["momentum is NaN", { momentum: Number.NaN }],
  ["dampening is 2", { dampening: 2, momentum: 0.9 }],
  ["dampening needs momentum > 0", { dampening: 0.5 }],
  ["nesterov needs momentum > 0 and no dampening", { nesterov: true }],
  ["nesterov needs momentum > 0 and no dampening", { nesterov: true, momentum: 0.9, dampening: 0.1 }],
];

describe("options of an optimizer", () => {
  it.each(REFUSED)("RMSProp: %s", (message, options) => {
    const before = core.memory.bytesInUse;
    expect(() => new RMSProp(core, vector(), options as RMSPropOptions)).toThrow(OptionError);
    expect(() => new RMSProp(core, vector(), options as RMSPropOptions)).toThrow(message);
    expect(core.memory.bytesInUse).toBe(before);
  });

  it.each(REFUSED_BY_SGD)("SGD: %s", (message, options) => {
    expect(() => new SGD(core, vector(), options as SGDOptions)).toThrow(OptionError);
    expect(() => new SGD(core, vector(), options as SGDOptions)).toThrow(message);
  });

  it("undefined stands for the default, and limits are allowed", () => {
    new RMSProp(core, vector(), { decay: undefined, learningRate: undefined } as unknown as RMSPropOptions);
    new RMSProp(core, vector(), { decay: 0, eps: 0, learningRate: 0 });
    new RMSProp(core, vector(), { decay: 1, centered: true, meanDecay: 0, clipNorm: Number.POSITIVE_INFINITY });
    new SGD(core, vector(), { momentum: 1.5, dampening: 1 });
  });

  it("names the group's option, or the default it inherits", () => {
    const groups = (options: object) => [{ params: vector() }, { params: vector(), ...options }] as unknown as [];
    const message = (options: RMSPropOptions, own: object) => {
      try {
        new RMSProp(core, groups(own), options);
      } catch (error) {
        return (error as Error).message;
      }
      return "accepted";
    };
    expect(message({}, { decay: 2 })).toMatch("params[1].decay is 2");
    expect(message({}, { learningRate: -1 })).toMatch("params[1].learningRate is -1");
    expect(message({}, { alpha: 1 })).toMatch("params[1].alpha is not an option");
    expect(message({}, { onNonFinite: "skip" })).toMatch("params[1].onNonFinite is not an option");
    expect(message({ clipNorm: 1 }, { clipValue: 1 })).toMatch("params[1].clipValue and clipNorm are both given");
    expect(message({ momentum: 0.9 }, { nesterov: true, momentum: 0 })).toMatch(
      "params[1].nesterov needs params[1].momentum > 0",
    );
    expect(message({ momentum: 0.9 }, { nesterov: true })).toBe("accepted");
    expect(message({ decay: 2 }, { decay: 0.5 })).toMatch("decay is 2"); // the first group inherits it
  });

  it("groups override the options", () => {
    const [a, b, c] = [vector(), vector(), vector()];
    const optimizer = new SGD(
      core,
      [{ params: a }, { params: b, learningRate: 0.5 }, { params: c, maximize: true, weightDecay: 1 }],
      {
        learningRate: 0.25,
      },
    );
    optimizer.step([vector(), vector(), vector()]);
    expect([...a]).toEqual([0.75, 1.5]);
    expect([...b]).toEqual([0.5, 1]);
    expect([...c]).toEqual([1, 2]); // −g + 1·θ = 0
    expect(optimizer.state().parameters["2"]).toEqual({ iterations: 1 });
  });

  describe("learningRate", () => {
    it("is a number that can be set, for groups without their own", () => {
      const [a, b] = [vector(), vector()];
      const optimizer = new SGD(core, [{ params: a }, { params: b, learningRate: 0.5 }]);
      expect(optimizer.learningRate).toBe(1e-3);
      optimizer.learningRate = 0.25;
      expect(optimizer.learningRate).toBe(0.25);
      optimizer.step([vector(), vector()]);
      expect([...a, ...b]).toEqual([0.75, 1.5, 0.5, 1]);
      for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY, "1", null, undefined]) {
        expect(() => {
          optimizer.learningRate = bad as number;
        }).toThrow(OptionError);
      }
      expect(optimizer.learningRate).toBe(0.25);
    });

    it("is a function of the iteration, called once a step", () => {
      const calls: number[] = [];
      const w = new Float32Array([0]);
      const optimizer = new SGD(core, w, {
        learningRate: (iteration) => {
          calls.push(iteration);
          return 2 ** -iteration;
        },
      });
      expect(optimizer.learningRate).toBe(1);
      calls.length = 0;
      for (let i = 0; i < 4; i++) optimizer.step(new Float32Array([-1]));
      expect(calls).toEqual([0, 1, 2, 3]);
      expect(w[0]).toBe(1.875);
      expect(optimizer.learningRate).toBe(0.0625);
      optimizer.learningRate = () => 1;
      optimizer.step(new Float32Array([-1]));
      expect(w[0]).toBe(2.875);
    });

    it("is part of the decoupled decay at once", () => {
      const w = new Float32Array([8]);
      const optimizer = new SGD(core, w, { learningRate: 0.5, weightDecay: 0.5, decoupledWeightDecay: true });
      optimizer.step(new Float32Array([0]));
      expect(w[0]).toBe(6);
      optimizer.learningRate = 1;
      optimizer.step(new Float32Array([0]));
      expect(w[0]).toBe(3);
    });
  });
});

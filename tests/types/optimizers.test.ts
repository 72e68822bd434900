import { expect, expectTypeOf, it } from "vitest";
import {
  AdaGrad,
  type AdaGradOptions,
  Adam,
  type AdamOptions,
  AdamW,
  type DialectName,
  OptionError,
  RMSProp,
  type RMSPropOptions,
  type Schedule,
  SGD,
} from "../../src/index.js";
import { dense, meanSquaredError, Sequential, Trainer } from "../../src/nn/index.js";
import { makeCore } from "../helpers/cores.js";

// What the compiler accepts and refuses. Where it refuses, the constructor does too.

const core = makeCore("js");
const params = (): Float32Array => new Float32Array(2);

it("dialects have names, and these only", () => {
  expectTypeOf<RMSPropOptions["dialect"]>().toEqualTypeOf<DialectName | "lanewise" | undefined>();
  expectTypeOf<"lanewise">().not.toExtend<DialectName>();
  // @ts-expect-error: PyTorch's dialect is called otherwise
  expect(() => new RMSProp(core, params(), { dialect: "torch" })).toThrow(OptionError);
  // @ts-expect-error: a dialect is the optimizer's, not a group's
  expect(() => new RMSProp(core, [{ params: params(), dialect: "tf1" }])).toThrow(OptionError);
  // @ts-expect-error: it cannot change
  expect(() => new RMSProp(core, params()).setOptions({ dialect: "tf1" })).toThrow(OptionError);
});

it("an error in a group is at the option that is wrong", () => {
  const second = (): unknown =>
    new RMSProp(core, [
      { params: params(), momentum: 0.9 },
      {
        params: { a: params() },
        // @ts-expect-error: it is called decay
        decai: 0.9,
      },
    ]);
  expect(second).toThrow(/^params\[1\]\.decai is not an option, did you mean/);
  const only = (): unknown =>
    new AdamW(core, [
      {
        params: params(),
        // @ts-expect-error: a number
        weightDecay: true,
      },
    ]);
  expect(only).toThrow(/^params\[0\]\.weightDecay is true, expected/);
  const model = new Sequential(core, [dense(1)], { inputShape: [2] });
  const inTrainer = (): unknown =>
    new Trainer(model, {
      loss: meanSquaredError(),
      optimizer: (parameters) =>
        new SGD(core, [
          {
            params: parameters,
            // @ts-expect-error: it is called momentum
            momentun: 0.9,
          },
        ]),
    });
  expect(inTrainer).toThrow(/^params\[0\]\.momentun is not an option, did you mean/);
  const list = (): unknown =>
    new SGD(core, [
      params(),
      // @ts-expect-error: no parameter
      undefined,
    ]);
  expect(list).toThrow(OptionError);
  // @ts-expect-error: all are groups or none is
  expect(() => new SGD(core, [params(), { params: params() }])).toThrow(OptionError);
});

it("Adam and AdamW have options of their own", () => {
  expectTypeOf<AdamOptions["amsgrad"]>().toEqualTypeOf<boolean | undefined>();
  expectTypeOf<AdamOptions["learningRate"]>().toEqualTypeOf<number | Schedule | undefined>();
  expectTypeOf<ConstructorParameters<typeof AdamW>>().toEqualTypeOf<ConstructorParameters<typeof Adam>>();
  const optimizer = new AdamW(core, [{ params: params(), beta1: 0.5 }], { amsgrad: true });
  optimizer.setOptions({ beta2: 0.99, weightDecay: undefined });
  expect(optimizer.description().groups[0]!.options).toEqual({
    learningRate: 1e-3,
    amsgrad: true,
    beta1: 0.5,
    beta2: 0.99,
  });
  // @ts-expect-error: RMSProp's
  expect(() => new Adam(core, params(), { decay: 0.9 })).toThrow(OptionError);
  // @ts-expect-error: RMSProp's alone
  expect(() => new Adam(core, params(), { dialect: "pytorch" })).toThrow(OptionError);
  // @ts-expect-error: PyTorch's pair
  expect(() => new Adam(core, params(), { betas: [0.9, 0.999] })).toThrow(OptionError);
});

it("so has AdaGrad", () => {
  expectTypeOf<AdaGradOptions["learningRateDecay"]>().toEqualTypeOf<number | undefined>();
  expectTypeOf<AdaGradOptions>().not.toHaveProperty("decay");
  const optimizer = new AdaGrad(core, [{ params: params(), learningRateDecay: 0.5 }]);
  optimizer.setOptions({ learningRateDecay: 0.25 }, 0);
  expect(optimizer.description().groups[0]!.options).toEqual({ learningRate: 1e-2, learningRateDecay: 0.25 });
  // @ts-expect-error: Adam's
  expect(() => new AdaGrad(core, params(), { beta1: 0.9 })).toThrow(OptionError);
});

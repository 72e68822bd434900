import { describeConformance } from "../helpers/conformance.js";
import { randomValues } from "../helpers/random.js";
import { describeStepKernel, transformedElement, withTransforms } from "../helpers/step-kernel.js";

const F = Math.fround;
const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 127, 1021];

describeConformance("lion_f32", () =>
  describeStepKernel({
    kernel: "lion_f32",
    groups: withTransforms({
      learningRate: 0.01,
      meanDecay: 0.9,
      meanDecayComplement: 1 - 0.9,
      decay: 0.99,
      decayComplement: 1 - 0.99,
    }),
    sizes: SIZES,
    makeRow: (group, size, seed) => ({
      group,
      param: randomValues(size as number, seed, 2),
      grad: randomValues(size as number, seed + 1, 2),
      states: [randomValues(size as number, seed + 2)],
    }),
    expected: (row, group, gradScale) => {
      const rate = F(group.learningRate!);
      const elements = Array.from(row.param, (_, i) => {
        const { p, g } = transformedElement(row, i, group, gradScale);
        const m = row.states[0]![i]!;
        const x = F(F(F(group.meanDecay!) * m) + F(F(group.meanDecayComplement!) * g));
        const next = F(F(F(group.decay!) * m) + F(F(group.decayComplement!) * g));
        return { p: F(p - (x > 0 ? rate : x < 0 ? -rate : 0)), m: next };
      });
      return { param: elements.map(({ p }) => p), states: [elements.map(({ m }) => m)] };
    },
  }),
);

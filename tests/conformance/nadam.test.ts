import { describeConformance } from "../helpers/conformance.js";
import { randomValues } from "../helpers/random.js";
import { FORM_MEAN_FROM_GRADIENT } from "../helpers/segments.js";
import { describeStepKernel, transformedElement, withTransforms } from "../helpers/step-kernel.js";

const F = Math.fround;
const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 127, 1021];

describeConformance("nadam_f32", () =>
  describeStepKernel({
    kernel: "nadam_f32",
    groups: withTransforms(
      { decay: 0.99, decayComplement: 1 - 0.99, meanDecay: 0.7, meanDecayComplement: 1 - 0.7, epsOutside: 1e-3 },
      [0, FORM_MEAN_FROM_GRADIENT],
    ),
    sizes: SIZES,
    makeRow: (group, size, seed) => ({
      group,
      param: randomValues(size as number, seed, 2),
      grad: randomValues(size as number, seed + 1, 2),
      states: [randomValues(size as number, seed + 2).map((x) => x * x), randomValues(size as number, seed + 3)],
      correction0: 1 - 0.99 ** 3,
      correction1: 0.01,
      correction2: 0.02,
    }),
    expected: (row, group, gradScale) => {
      const s = (field: "decay" | "decayComplement" | "meanDecay" | "meanDecayComplement" | "epsOutside") =>
        F(group[field]!);
      const elements = Array.from(row.param, (_, i) => {
        const { p, g } = transformedElement(row, i, group, gradScale);
        const old = row.states[1]![i]!;
        const m =
          group.mode! & FORM_MEAN_FROM_GRADIENT
            ? F(g + F(s("meanDecay") * F(g - old)))
            : F(old + F(s("meanDecayComplement") * F(g - old)));
        const v = F(F(s("decay") * row.states[0]![i]!) + F(F(s("decayComplement") * g) * g));
        const d = F(F(Math.sqrt(F(v / F(row.correction0!)))) + s("epsOutside"));
        const first = F(p - F(F(F(row.correction1!) * g) / d));
        return { p: F(first - F(F(F(row.correction2!) * m) / d)), v, m };
      });
      return { param: elements.map(({ p }) => p), states: [elements.map(({ v }) => v), elements.map(({ m }) => m)] };
    },
  }),
);

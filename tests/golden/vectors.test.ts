import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { expectSameBits } from "../helpers/bits.js";
import { randomSource } from "../helpers/random.js";
import { fromHex, readGolden, readJson, startParameters } from "./vectors.js";

const files = readdirSync(new URL("./vectors", import.meta.url)).filter((file) => file.endsWith(".json"));
const names = files.map((file) => file.replace(/\.json$/, ""));
/** Those of optimizers. */
const golden = names.filter((name) => (readJson(name) as { cases?: { optimizer?: string }[] }).cases?.[0]?.optimizer);
const SIZES = { a: 19, b: 5 };

describe("golden vectors", () => {
  it("are all there", () => {
    expect(golden.length).toBe(23);
  });

  it("start from the parameters that their seed gives", () => {
    const { seed } = readJson("gradients") as { seed: number };
    const next = randomSource(seed);
    const draw = (length: number) => Float32Array.from({ length }, () => (next() * 2 - 1) * 2);
    const a = draw(SIZES.a);
    const b = draw(SIZES.b);
    a[14] = 0;
    a[15] = 100;
    b[1] = -1e-3;
    expectSameBits(startParameters().a, a, "a");
    expectSameBits(startParameters().b, b, "b");
  });

  it("have the ordinary columns of the moderate gradients that their seed gives", () => {
    const { seed, gradients } = readJson("gradients") as {
      seed: number;
      gradients: Record<string, Record<"a" | "b", string[]>>;
    };
    const next = randomSource(seed + 2);
    for (let step = 0; step < 20; step++) {
      const uniform = Array.from({ length: SIZES.a + SIZES.b }, next);
      const ordinary = uniform.slice(8, SIZES.a).map((x) => (x * 2 - 1) * 2);
      expectSameBits(fromHex(gradients.moderate!.a[step]!).slice(8), ordinary, `step ${step}`);
    }
  });

  it.each(golden)("%s is complete", (name) => {
    const file = readGolden(name);
    expect(file.cases.length).toBeGreaterThan(0);
    const seen = new Set<string>();
    for (const { optimizer, name: caseName, steps, arrays, gradient, learningRates, checkpoint } of file.cases) {
      const what = `${optimizer} ${caseName}`;
      expect(seen, what).not.toContain(what);
      seen.add(what);
      expect(steps, what).toBe(checkpoint ? 20 : 10);
      if (learningRates) expect(learningRates.length, what).toBe(steps);
      for (const parameter of ["a", "b"] as const) {
        expect(Object.keys(arrays[parameter]), what).toContain("parameter");
        for (const [key, trace] of Object.entries(arrays[parameter])) {
          if (key !== "parameter") expect(Object.keys(file.states), what).toContain(key);
          expect(trace.length, what).toBe(steps);
          const size = key === "momentumProduct" ? 1 : SIZES[parameter];
          for (const values of trace) if (values) expect(values.length, what).toBe(size);
        }
        for (let step = 0; step < steps; step++) {
          const values = gradient(parameter, step);
          if (values) expect(values.length, what).toBe(SIZES[parameter]);
        }
      }
    }
  });

  it.each(golden)("%s leaves a parameter alone where its gradient is missing", (name) => {
    for (const { name: caseName, steps, arrays, gradient, parameterOptions, options } of readGolden(name).cases) {
      const averaged = "emaDecay" in options || "emaDecay" in parameterOptions;
      for (const parameter of ["a", "b"] as const) {
        for (const [key, trace] of Object.entries(arrays[parameter])) {
          if (averaged && key === "parameterAverage") continue;
          for (let step = 0; step < steps; step++) {
            if (gradient(parameter, step)) continue;
            const before = step > 0 ? trace[step - 1]! : key === "parameter" ? startParameters()[parameter] : null;
            if (before) expectSameBits(trace[step]!, before, `${caseName} ${parameter} ${key}`);
          }
        }
      }
    }
  });
});

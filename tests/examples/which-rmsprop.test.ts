import { describe, expect, it } from "vitest";
import * as whichRMSProp from "../../examples/which-rmsprop.js";

interface Defaults {
  decay: number;
  eps: number;
  outside?: boolean;
  initialScale?: number;
}

const KERAS: Defaults = { decay: 0.9, eps: 1e-7 };
const OPTAX: Defaults = { decay: 0.9, eps: 1e-8 };
const TF1: Defaults = { decay: 0.9, eps: 1e-10, initialScale: 1 };
const DEFAULTS: Record<keyof whichRMSProp.Result, Defaults> = {
  pytorch: { decay: 0.99, eps: 1e-8, outside: true },
  mxnet2: { ...OPTAX, outside: true },
  "tf-keras-legacy": { ...KERAS, outside: true },
  keras3: KERAS,
  keras2: KERAS,
  tfjs: KERAS,
  optax: OPTAX,
  mxnet1: OPTAX,
  paddle: { decay: 0.95, eps: 1e-6 },
  tf1: TF1,
  timm: TF1,
};

/** θ after 0, 1, … steps down θ⁴/4, in float64. */
function descend({ decay, eps, outside, initialScale: v = 0 }: Defaults, steps: number): number[] {
  const path = [1];
  for (let i = 0; i < steps; i++) {
    const gradient = path[i]! ** 3;
    v = decay * v + (1 - decay) * gradient ** 2;
    path.push(path[i]! - (0.01 * gradient) / (outside ? Math.sqrt(v) + eps : Math.sqrt(v + eps)));
  }
  return path;
}

describe("example which-rmsprop", () => {
  it("goes the way of float64 with each framework's defaults", async () => {
    const paths = await whichRMSProp.run();
    expect(Object.keys(paths).sort()).toEqual(Object.keys(DEFAULTS).sort());
    for (const [dialect, path] of Object.entries(paths)) {
      const expected = descend(DEFAULTS[dialect as "pytorch"], 1000);
      expect(path.length).toBe(1001);
      // θ < 1 rounds once a step, by 2⁻²⁵ or less; the descent is stable, so that the errors hardly add up.
      path.forEach((theta, i) => {
        expect(Math.abs(theta - expected[i]!), `${dialect} after step ${i}`).toBeLessThan(1e-6);
      });
    }
  });
});

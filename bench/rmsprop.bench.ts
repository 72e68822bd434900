import { type Core, RMSProp } from "lanewise";
import { measure, middle } from "./measure.js";
import type { Native } from "./native.js";
import { plainRmsprop } from "./plain.js";
import type { Case } from "./report.js";

const OPTIONS = { learningRate: 1e-3, decay: 0.9, eps: 1e-8 };

/** One RMSProp step over `count` parameters in linear memory: Wasm, its twin and the plain loop. */
export async function benchRmsprop(cores: readonly Core[], count: number, native: Native | undefined): Promise<Case> {
  const gradient = (i: number) => (i % 13) - 6.5;
  const held: { dispose(): void }[] = [];
  const sides = cores.map((core) => {
    const parameters = core.tensor([count], (i) => i % 7);
    const gradients = core.tensor([count], gradient);
    const optimizer = new RMSProp(core, parameters, OPTIONS);
    held.push(optimizer, parameters, gradients);
    return { name: core.variant, run: () => optimizer.step(gradients) };
  });
  const p = Float32Array.from({ length: count }, (_, i) => i % 7);
  const g = Float32Array.from({ length: count }, (_, i) => gradient(i));
  const v = new Float32Array(count);
  sides.push({
    name: "plain loop",
    run: () => plainRmsprop(p, g, v, OPTIONS.learningRate, OPTIONS.decay, OPTIONS.eps),
  });
  const result = await measure(sides, native && (() => native.rmsprop(count)));
  for (const thing of held) thing.dispose();
  return {
    name: `RMSProp step, ${count.toLocaleString("en")} parameters`,
    unit: "G parameters/s",
    work: count,
    sides: sides.map(({ name }, i) => ({ name, ...result.timings[i]! })),
    native: native && middle(result.native),
  };
}

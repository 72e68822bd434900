import { type Core, matmul } from "lanewise";
import { measure, middle } from "./measure.js";
import type { Native } from "./native.js";
import { plainMatmul } from "./plain.js";
import type { Case } from "./report.js";

/** C = A·B of n × n matrices in linear memory: Wasm, its twin and the plain loop. */
export async function benchGemm(cores: readonly Core[], n: number, native: Native | undefined): Promise<Case> {
  const value = (i: number) => ((i * 37) % 64) / 64 - 0.5;
  const held: { dispose(): void }[] = [];
  const sides = cores.map((core) => {
    const a = core.tensor([n, n], value);
    const b = core.tensor([n, n], value);
    const out = core.tensor([n, n]);
    const options = { out };
    held.push(a, b, out);
    return {
      name: core.variant,
      run: () => {
        matmul(a, b, options);
      },
    };
  });
  const a = Float32Array.from({ length: n * n }, (_, i) => value(i));
  const c = new Float32Array(n * n);
  sides.push({ name: "plain loop", run: () => plainMatmul(a, a, c, n, n, n) });
  const result = await measure(sides, native && (() => native.multiplyAdd()));
  for (const thing of held) thing.dispose();
  return {
    name: `matmul ${n} × ${n} × ${n}`,
    unit: "GFLOP/s",
    work: 2 * n ** 3,
    sides: sides.map(({ name }, i) => ({ name, ...result.timings[i]! })),
    native: native && middle(result.native),
  };
}

import { afterAll, expect, it } from "vitest";
import { threaded } from "./drivers/threaded.mjs";
import { prepare } from "./prepare.mjs";

// Memory does not grow however long training goes on, and no runtime computes other bits:
// SOAK_STEPS=1000000 npm run test:runtimes -- soak

const STEPS = Number(process.env.SOAK_STEPS ?? 5000);
const SEED = Number(process.env.SOAK_SEED ?? 1);
const project = prepare();
let digest;
afterAll(() => project.remove());

it.each(threaded)("%s", { timeout: 60_000 + 2 * STEPS }, async (name, start) => {
  const runtime = await start(project);
  try {
    const report = await runtime.run({ program: "soak", steps: STEPS, seed: SEED });
    console.log(
      `${name}: ${STEPS} steps from seed ${SEED} in ${report.seconds} s, ${report.last.bytesInUse} bytes in use`,
    );
    expect(report.rounds).toBe(Math.ceil(STEPS / 100));
    expect(report.last).toEqual(report.first);
    digest ??= report.digest;
    expect(report.digest).toBe(digest);
  } finally {
    runtime.stop?.();
  }
});

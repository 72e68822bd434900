// Runs the fuzzers for as long as wanted: npm run test:soak -- --minutes 60 --seed 7

import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { minutes: { type: "string", default: "60" }, seed: { type: "string" } } });
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
if (!(minutes > 0 && Number.isInteger(seed))) {
  console.error("usage: npm run test:soak -- [--minutes 60] [--seed N]; minutes > 0, the seed an integer");
  process.exit(2);
}
console.log(`soak of ${minutes} minutes from seed ${seed}`);
const env = { ...process.env, SOAK_MINUTES: String(minutes), SOAK_SEED: String(seed) };
const { status } = spawnSync("npx", ["vitest", "run", "tests/faults/fuzz"], { env, stdio: "inherit" });
process.exit(status ?? 1);

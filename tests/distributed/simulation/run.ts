// Simulates clusters: `npm run test:simulation -- --seeds 10000 [--first 0]`. Prints seeds that fail; each replays exactly.
import process from "node:process";
import { parseArgs } from "node:util";
import { simulate } from "./cluster.js";

const { values } = parseArgs({ options: { seeds: { type: "string" }, first: { type: "string" } } });
const first = Number(values.first ?? 0);
const seeds = Number(values.seeds ?? 200);
const counts: Record<string, number> = {};
const failures: string[] = [];
let events = 0;
for (let seed = first; seed < first + seeds; seed++) {
  const outcome = simulate(seed);
  events += outcome.events;
  for (const [what, count] of Object.entries(outcome.counts)) counts[what] = (counts[what] ?? 0) + count;
  if (outcome.failure !== undefined) failures.push(`seed ${seed}: ${outcome.failure}`);
}
for (const failure of failures.slice(0, 20)) console.log(failure);
console.log(`${seeds} seeds, ${events} events, ${failures.length} failures`);
console.log(counts);
process.exitCode = failures.length === 0 && seeds > 0 ? 0 : 1;

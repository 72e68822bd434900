import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Whether the command was given `--quick`: a small run of seconds that shows that it learns. */
export const quick = process.argv.includes("--quick");

/** What a training has to reach; one of the two bounds. */
export interface Goal {
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Prints a result beside what was expected; the command fails if it is not reached. */
export function conclude(name: string, value: number, { atLeast, atMost }: Goal): void {
  const reached = (atLeast === undefined || value >= atLeast) && (atMost === undefined || value <= atMost);
  const expected = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;
  console.log(
    `\nResult: ${name} ${Number(value.toPrecision(4))}, expected ${expected}: ${reached ? "reached" : "MISSED"}`,
  );
  if (!reached) process.exitCode = 1;
}

/** The means of consecutive groups of numbers, as points at the end of each group. */
export function means(values: readonly number[], size: number): [number, number][] {
  const points: [number, number][] = [];
  for (let end = size; end <= values.length; end += size) {
    points.push([end, values.slice(end - size, end).reduce((sum, value) => sum + value, 0) / size]);
  }
  return points;
}

/** A folder of examples/ with a package.json of its own; installs it the first time. */
export function installed(folder: string): URL {
  const url = new URL(`./${folder}/`, import.meta.url);
  if (!existsSync(new URL("node_modules", url))) {
    console.log(`npm ci in examples/${folder}`);
    const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", fileURLToPath(url)];
    const { status } = spawnSync("npm", args, { stdio: ["ignore", "ignore", "inherit"] });
    if (status !== 0) throw new Error(`npm ci in examples/${folder} failed`);
  }
  return url;
}

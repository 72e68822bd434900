// `npm run bench:compare OLD [NEW]`: whether a change made the package faster or slower.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SingleBar } from "cli-progress";
import { Command, Option } from "commander";
import { BASELINE, CORES } from "../library.js";
import { parseCount, parseFile, parseNames, parseRatio } from "../options.js";
import { describeEnvironment } from "../report.js";
import { openBuild } from "./build.js";
import { formatResults, isSlower, type Result, resultOf } from "./results.js";
import { type Builds, measureStart, Sides } from "./sides.js";
import type { Pair } from "./statistics.js";
import { jobsOf, KIND_NAMES, START } from "./work.js";

const DEFAULT_KINDS = [START, "steps", "calls", "square", "narrow", "vectors", "layers", "networks"];
const CORE_NAMES = CORES.map(({ name }) => name);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Options {
  readonly only: readonly string[];
  readonly on: string;
  readonly rounds: number;
  readonly turns: number;
  readonly starts: number;
  readonly least: number;
  readonly json?: string;
}

await new Command("npm run bench:compare --")
  .description("Compare the speed of two builds of the package: folders with package.json and dist, or tarballs.")
  .argument("<old>", "the build to compare with")
  .argument("[new]", "the build to judge", ROOT)
  .option(
    "--only <kinds>",
    `some of ${KIND_NAMES.join(", ")}, with commas between`,
    parseNames(KIND_NAMES),
    DEFAULT_KINDS,
  )
  .addOption(new Option("--on <core>", "the core that works").choices(CORE_NAMES).default(BASELINE))
  .option("--rounds <count>", "fresh pairs of processes", parseCount, 5)
  .option("--turns <count>", "turns of 20 ms that each build has in a round", parseCount, 6)
  .option("--starts <count>", "processes of each build that only start", parseCount, 30)
  .option("--least <ratio>", "the speed below which the new build has failed", parseRatio, 0.98)
  .option("--json <file>", "write the figures to a file", parseFile)
  .allowExcessArguments(false)
  .action(main)
  .parseAsync();

async function main(oldPath: string, newPath: string, options: Options): Promise<void> {
  const builds: Builds = { old: openBuild(oldPath), new: openBuild(newPath) };
  const environment = describeEnvironment();
  const { cpu, runtime, load, date } = environment;
  console.log(`${cpu} | load ${load} | ${runtime} | ${date}\nold: ${builds.old.name}\nnew: ${builds.new.name}`);
  try {
    const results = [...measureStarts(builds, options), ...(await measureWork(builds, options))];
    console.log(formatResults(results, options.least));
    if (options.json !== undefined) {
      const { old, new: now } = builds;
      const content = { environment, old: old.name, new: now.name, on: options.on, results };
      writeFileSync(options.json, `${JSON.stringify(content, null, 2)}\n`);
    }
    const slower = results.filter((result) => isSlower(result, options.least));
    if (slower.length > 0) {
      console.error(`slower than ${options.least}: ${slower.map(({ name }) => name).join("; ")}`);
      process.exitCode = 1;
    }
  } finally {
    builds.old.dispose();
    builds.new.dispose();
  }
}

function measureStarts(builds: Builds, { only, starts }: Options): Result[] {
  if (!only.includes(START)) return [];
  // The first pair reads the files from the disk.
  measureStart(builds, 0);
  const measured = Array.from({ length: starts }, (_, turn) => measureStart(builds, turn));
  return (["imported", "stepped"] as const).map((phase) => {
    const name = { imported: "import", stepped: "import, createCoreSync, first step" }[phase];
    return resultOf(
      name,
      measured.map((start) => [start[phase]]),
      true,
    );
  });
}

async function measureWork(builds: Builds, { only, on, rounds, turns }: Options): Promise<Result[]> {
  const jobs = jobsOf(only);
  const bar = new SingleBar({ format: "{bar} {value}/{total} {name}", clearOnComplete: true });
  const names = jobs.map((make) => make().name);
  const pairs: Pair[][][] = jobs.map(() => []);
  const same = jobs.map(() => true);
  bar.start(rounds * jobs.length, 0, { name: "" });
  for (let round = 0; round < rounds && jobs.length > 0; round++) {
    const sides = new Sides(builds, { kinds: only, on });
    try {
      await sides.ready();
      for (const [place, name] of names.entries()) {
        bar.increment({ name });
        const measured = await sides.measure(place, turns);
        pairs[place]!.push(measured.pairs);
        same[place] &&= measured.same;
      }
    } finally {
      sides.dispose();
    }
  }
  bar.stop();
  return names.map((name, place) => resultOf(name, pairs[place]!, same[place]!));
}

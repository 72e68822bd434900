// Lanewise's cores against a plain loop and the machine's own limits, and with --peers against other packages.
import { writeFileSync } from "node:fs";
import { SingleBar } from "cli-progress";
import { Command } from "commander";
import { type Line, saveChart } from "./chart.js";
import type { Contestant } from "./contestant.js";
import { DEEP_FAMILIES, deepJob } from "./deep.bench.js";
import { productJob, readBackJob } from "./gemm.bench.js";
import { lanewiseContestants } from "./lanewise.js";
import { BASELINE, FALLBACK } from "./library.js";
import { compileNative } from "./native.js";
import { NETWORKS, networkJob } from "./nn.bench.js";
import { STEP_FAMILIES, stepJob } from "./optim.bench.js";
import { parseCount, parseFile, parseNames } from "./options.js";
import { loadPeers } from "./peers.js";
import { plainLoop } from "./plain.js";
import { startPyTorch } from "./pytorch.js";
import { describeEnvironment, type Family, formatFamily, type Ratio } from "./report.js";
import { type Job, type Row, run } from "./run.js";
import { SHAPES } from "./shapes.js";

/** Sizes at which bringing a result to JavaScript is measured. */
const READ_BACK = [64, 256, 1024];
/** By a word of a side's name: Lanewise's are cold, the peers' warm. */
const COLORS: Readonly<Record<string, string>> = {
  simd: "#1f5fbf",
  relaxed: "#17a2b8",
  threads: "#6f42c1",
  js: "#2ca02c",
  wide: "#0b2e6b",
  plain: "#8c8c8c",
  "tfjs-wasm": "#d62728",
  "onnxruntime-web": "#ff7f0e",
  "jax-js": "#b8860b",
  "tfjs-cpu": "#e377c2",
  "ml-matrix": "#8c564b",
  stdlib: "#bcbd22",
  native: "#111",
};

const FAMILIES = [
  ...Object.keys(STEP_FAMILIES),
  ...Object.keys(SHAPES),
  "networks",
  ...Object.keys(DEEP_FAMILIES),
  "read",
];

const options = new Command("npm run bench --")
  .description("Time steps, products and training steps in Lanewise, beside plain loops, native C and other packages.")
  .option("--only <families>", `some of ${FAMILIES.join(", ")}, with commas between`, parseNames(FAMILIES), FAMILIES)
  .option("--peers", "measure the packages of bench/peers too, and PyTorch where it is installed")
  .option("--python <program>", "the Python that has PyTorch", "python3")
  .option("--rounds <count>", "turns of each side", parseCount, 10)
  .option("--json <file>", "write the figures to a file", parseFile)
  .option("--svg <file>", "draw the square products", parseFile)
  .allowExcessArguments(false)
  .parse()
  .opts<{
    only: string[];
    peers?: true;
    python: string;
    rounds: number;
    json?: string;
    svg?: string;
  }>();
if (options.svg !== undefined && !options.only.includes("square")) {
  console.error("error: --svg draws the square products; add square to --only");
  process.exit(1);
}

/** What is measured together, and shown as one table. */
interface Plan {
  readonly title: string;
  /** Made one at a time: some hold hundreds of megabytes. */
  readonly jobs: readonly (() => Job)[];
}

const { contestants: cores, notes } = await lanewiseContestants();
const native = compileNative(cores.some(({ name }) => name === "wide") ? [4, 8] : [4]);
const pytorchs = options.peers ? startPyTorch(options.python) : [];
const cleanUp = () => {
  for (const helper of [native, ...pytorchs]) helper.dispose();
};
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    cleanUp();
    process.exit(1);
  });
}
try {
  const peers = options.peers ? await loadPeers() : [];
  const environment = describeEnvironment();
  const { cpu, runtime, load, date, commit } = environment;
  console.log(`${cpu} | load ${load} | ${runtime} | ${date} | ${commit}`);
  for (const note of notes) console.log(note);
  if (native.natives.length === 0) console.log("No C compiler for x86 here: the native limits are left out.");
  if (options.peers && pytorchs.length === 0) console.log(`No PyTorch in ${options.python}: it is left out.`);

  const contestants = [...cores, ...(options.peers ? peers : [plainLoop])];
  const peerNames = peers.map(({ name }) => name);
  const sides = [...contestants, ...pytorchs, ...native.natives].map(({ name }) => name);
  const ratios = ratiosOf(cores, peerNames);
  const families: Record<string, Family> = {};
  for (const name of options.only) {
    const family = await measureFamily(planOf(name), contestants);
    if (family.rows.length === 0) continue;
    families[name] = family;
    // What copies nothing is not compared with what does.
    console.log(`\n${formatFamily(family, sides, name === "read" ? [] : ratios)}`);
  }
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify({ environment, cores: notes, families }, null, 2)}\n`);
  }
  if (options.svg !== undefined) {
    const lines = linesOf(families["square"]!.rows, sides);
    saveChart(options.svg, "Products of float32 matrices", `${cpu} | ${runtime} | ${date}`, lines);
  }
} catch (error) {
  // Printed here: what some peers register for uncaught errors prints their whole source.
  console.error(error instanceof Error ? error.stack : error);
  process.exitCode = 1;
} finally {
  cleanUp();
}

function planOf(family: string): Plan {
  const { natives } = native;
  switch (family) {
    case "steps":
    case "tensors":
    case "dialects": {
      const { title, methods, parameters } = STEP_FAMILIES[family]!;
      const jobs = Object.entries(methods).flatMap(([name, method]) =>
        parameters.map((count) => () => stepJob(name, method, count, natives, pytorchs)),
      );
      return { title, jobs };
    }
    case "networks":
      return {
        title: "training steps",
        jobs: NETWORKS.map((network) => () => networkJob(network, pytorchs)),
      };
    case "convolutions":
    case "recurrent":
    case "trainings": {
      const { title, networks } = DEEP_FAMILIES[family]!;
      return { title, jobs: networks.map((network) => () => deepJob(network, natives, pytorchs)) };
    }
    case "read": {
      // Lanewise's results lie in an array that JavaScript sees; only the peers make this worth a table.
      const shapes = SHAPES["square"]!.shapes.filter(({ n }) => options.peers && READ_BACK.includes(n));
      return {
        title: "reading a result",
        jobs: shapes.flatMap((shape) => [() => productJob(shape, "time", []), () => readBackJob(shape)]),
      };
    }
    default: {
      const { title, unit, shapes } = SHAPES[family]!;
      // No limit of arithmetic or memory says anything about the cost of a call.
      const limits = unit === "time" ? [] : natives;
      return { title, jobs: shapes.map((shape) => () => productJob(shape, unit, limits)) };
    }
  }
}

/** The columns of ratios; a table shows those for which it has both sides. */
function ratiosOf(cores: readonly Contestant[], peers: readonly string[]): Ratio[] {
  const others = cores.filter(({ name }) => name !== BASELINE && name !== FALLBACK);
  return [
    ...native.natives.slice(0, 1).map(({ name }) => ({
      head: `${BASELINE} of native`,
      side: BASELINE,
      against: [name],
      percent: true,
    })),
    ...others.map(({ name }) => ({ head: `${name} / ${BASELINE}`, side: name, against: [BASELINE] })),
    { head: `${BASELINE} / plain loop`, side: BASELINE, against: [plainLoop.name] },
    { head: `${BASELINE} / best peer`, side: BASELINE, against: peers },
    ...[BASELINE, "wide"].flatMap((side) =>
      pytorchs.map(({ name }) => ({ head: `${side} / ${name.split(" ").at(-1)}`, side, against: [name] })),
    ),
    { head: `${FALLBACK} / tfjs-cpu`, side: FALLBACK, against: peers.filter((name) => name.startsWith("tfjs-cpu")) },
  ];
}

async function measureFamily({ title, jobs }: Plan, contestants: readonly Contestant[]): Promise<Family> {
  const bar = new SingleBar({ format: `${title} {bar} {value}/{total}`, clearOnComplete: true });
  bar.start(jobs.length, 0);
  const rows: Row[] = [];
  for (const job of jobs) {
    rows.push(await run(job(), contestants, options.rounds));
    bar.increment();
  }
  bar.stop();
  return { title, rows };
}

/** The square products as lines; of a limit the highest that was seen, at every size. */
function linesOf(rows: readonly Row[], sides: readonly string[]): Line[] {
  const limits = native.natives.map(({ name }) => name);
  return sides.flatMap((name) => {
    const points = rows.flatMap(({ amount, timings }, i): [number, number][] => {
      const timing = timings.find((t) => t.name === name);
      return timing
        ? [[SHAPES["square"]!.shapes[i]!.n, amount / timing[limits.includes(name) ? "best" : "median"] / 1e6]]
        : [];
    });
    if (points.length === 0) return [];
    const limit = limits.includes(name);
    const peak = Math.max(...points.map(([, rate]) => rate));
    const color = name.split(" ").flatMap((word) => COLORS[word] ?? [])[0]!;
    return [{ name, color, limit, points: limit ? points.map(([n]) => [n, peak] as const) : points }];
  });
}

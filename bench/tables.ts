// The tables of RESULTS.md and of the README, from the JSON files in results/: no figure in them is typed.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { markdownTable } from "markdown-table";
import type { Report } from "../measure/compare.js";
import { formatNumber, formatTime } from "../measure/format.js";
import { columnsOf, formatEnvironment, formatMarkdown } from "../measure/markdown.js";
import type { Timing } from "../measure/rounds.js";
import { BASELINE } from "./library.js";
import type { Environment, Family } from "./report.js";
import type { Row } from "./run.js";
import type { Size } from "./sizes.js";

/** A family of `npm run bench -- --json`, with the run that it is from. */
interface Measured extends Family {
  readonly environment: Environment;
}

/** A row of a table: the name of a row in a family, and what it is called here. */
type Line = readonly [label: string, family: string, row: string];

const RESULTS = new URL("results/", import.meta.url);
/** Files with marked regions, from the repository's root. */
export const FILES = ["README.md", "bench/RESULTS.md"];

const square = (n: number): Line => [`${n}³`, "square", `${n} × ${n} × ${n}`];
const PRODUCTS: readonly Line[] = [
  ...[16, 32, 64, 128, 256, 512, 1024].map(square),
  ["512³, both transposed", "forms", "512 × 512 × 512 TT"],
  ["257 × 129 × 511", "odd", "257 × 129 × 511"],
  ["512 × 512 × 2", "narrow", "512 × 512 × 2"],
  ["8 × 512 × 512", "narrow", "8 × 512 × 512"],
  ["128 × 384 × 384 (projection of MiniLM)", "layers", "128 × 384 × 384"],
  ["64 × 10 × 128 (last layer for MNIST)", "layers", "64 × 10 × 128"],
  ["12 of 128 × 128 × 32, transposed (attention of MiniLM)", "layers", "12 of 128 × 128 × 32 NT"],
];
const VECTORS: readonly Line[] = [
  ["1 × 1024 × 1024", "vectors", "1 × 1024 × 1024"],
  ["1024 × 1 × 1024", "vectors", "1024 × 1 × 1024"],
];
const RMSPROP = "RMSProp";
const STEPS: readonly Line[] = [
  ...["1,024", "100,000", "1,048,576", "16,777,216"].map(
    (count): Line => [`${RMSPROP}, ${count} parameters`, "steps", `${RMSPROP}, ${count}`],
  ),
  ["centered, momentum, 100,000", "steps", "RMSProp, centered, momentum, 100,000"],
  ["Adam, 1,048,576", "steps", "Adam, 1,048,576"],
  ["SGD, 1,048,576", "steps", "SGD, 1,048,576"],
  ["PyTorch's RMSProp, 1,048,576", "dialects", "pytorch, 1,048,576"],
  ["AdaGrad, 1,048,576", "dialects", "adagrad, 1,048,576"],
];
const TENSORS: readonly Line[] = ["1 tensor", "100 tensors", "1,000 tensors", "10,000 tensors"].map((count) => [
  `in ${count}`,
  "tensors",
  `${count}, 1,048,576`,
]);
const NETWORKS: readonly Line[] = [
  "10-100-1 tanh, batch 32",
  "10-100-1 tanh, batch 1000",
  "784-128-10 relu, batch 64",
  "784-256-128-10 relu, batch 128",
].map((name) => [name, "networks", name]);
/** What sizes.json calls an entry, and what the table does. */
const SIZES: readonly (readonly [name: string, label: string])[] = [
  ["lanewise, its main names", "`lanewise`: `createCore`, `createCoreSync`, `matmul`, `RMSProp`"],
  ["lanewise, everything", "`lanewise`, everything"],
  ["lanewise/js, everything", "`lanewise/js`, everything"],
  [
    "lanewise's main names and a dense network",
    "the first row and `Sequential`, `Trainer`, `dense`, `relu`, `softmaxCrossEntropy`",
  ],
  ["lanewise/nn, everything", "`lanewise/nn`, everything"],
  ["lanewise/checkpoint, everything", "`lanewise/checkpoint`, everything"],
  ["lanewise/checkpoint, save and load", "`saveCheckpoint`, `loadCheckpoint`"],
  ["lanewise/tfjs, everything", "`lanewise/tfjs`, everything"],
  ["lanewise/distributed, everything", "`lanewise/distributed`, everything"],
];
/** Lines change with their own figures alone. */
const COMPACT = { alignDelimiters: false } as const;
/** Sides that are packages or native code, in the tables' order, by the start of their names. */
const PEERS = ["tfjs-wasm", "onnxruntime-web", "jax-js", "PyTorch"];

/** The text of every region, by its name. Throws if a table has no row. */
export function makeRegions(): Readonly<Record<string, string>> {
  const files = readdirSync(RESULTS).filter((name) => name.endsWith(".json") && name !== "sizes.json");
  const families = new Map<string, Measured>();
  for (const name of files) {
    const { environment, families: own } = readJson(name) as {
      environment: Environment;
      families: Record<string, Family>;
    };
    for (const [key, family] of Object.entries(own)) {
      if (families.has(key)) throw new Error(`bench/results/${name} has the family ${key}, which another file has too`);
      families.set(key, { ...family, environment });
    }
  }
  const runtimes = readdirSync(new URL("runtimes/", RESULTS)).sort();
  const reports = runtimes.map((name) => readJson(`runtimes/${name}`) as Report);
  const { environment, sizes } = readJson("sizes.json") as { environment: Environment; sizes: readonly Size[] };
  const findRow = ([, family, row]: Line) => families.get(family)?.rows.find(({ name }) => name === row);
  const rowOf = (line: Line): Row => {
    const found = findRow(line);
    if (found === undefined) throw new Error(`bench/results has no row ${line[2]} in ${line[1]}, expected one`);
    return found;
  };
  const sizeOf = (name: string): Size => {
    const found = sizes.find((size) => size.name === name);
    if (found === undefined) throw new Error(`bench/results/sizes.json has no ${name}: npm run bench:sizes`);
    return found;
  };
  // Rows that were not measured are left out.
  const table = (all: readonly Line[], head: string, asTime = false): string => {
    const lines = all.filter((line) => findRow(line) !== undefined);
    if (lines.length === 0) throw new Error(`bench/results has nothing for the table of ${head}, expected some rows`);
    const rows = lines.map((line) => ({ label: line[0], row: rowOf(line) }));
    const measured = [...new Set(lines.map(([, family]) => families.get(family)!.environment))];
    return `${tableOf(rows, head, asTime)}\n\n${sourcesOf(measured)} ${spreadOf(rows.map(({ row }) => row))}`;
  };
  return {
    peak: peakOf(families.get("square")?.rows ?? []),
    products: table(PRODUCTS, "matmul, GFLOP/s"),
    vectors: table(VECTORS, "matmul, GB/s"),
    behind: behind([...families.values()].flatMap(({ title, rows }) => (title === "reading a result" ? [] : rows))),
    steps: table(STEPS, "G parameters/s"),
    tensors: table(TENSORS, "PyTorch's RMSProp, 1,048,576 parameters, time of a step", true),
    networks: table(NETWORKS, "training step (mean squared error, RMSProp)"),
    runtimes: [
      formatMarkdown(
        reports.flatMap(({ environment: { runtime }, results }) =>
          columnsOf(results).flatMap((column) =>
            column.backend === "threads" ? [] : [{ ...column, name: `${runtime}, ${column.name}` }],
          ),
        ),
      ),
      [...new Set(reports.map(({ environment: each }) => formatEnvironment(each)))].join("; "),
    ].join("\n\n"),
    sizes: `${markdownTable(
      [
        ["import", "brotli", "gzip"],
        ...SIZES.map(([name, label]) => [label, kibibytes(sizeOf(name).brotli), kibibytes(sizeOf(name).gzip)]),
      ],
      { ...COMPACT, align: ["l", "r", "r"] },
    )}\n\nMeasured on ${environment.date}, commit ${environment.commit}.`,
    headline: headline(rowOf(NETWORKS[2]!), rowOf(square(512)), sizeOf("lanewise, its main names")),
  };
}

/** The text with its regions as they should be. Throws for a region that is not known, and for one that has no end. */
export function fillRegions(text: string, regions: Readonly<Record<string, string>>): string {
  const filled = text.replaceAll(/(<!-- bench:(\w+) -->\n)[\s\S]*?(\n<!-- \/bench -->)/g, (_, start, name, end) => {
    if (!Object.hasOwn(regions, name)) throw new Error(`there is no region ${name}, expected one of bench/tables.ts`);
    return `${start}\n${regions[name]}\n${end}`;
  });
  const [starts, ends] = [/<!-- bench:\w+ -->/g, /<!-- \/bench -->/g].map((mark) => filled.match(mark)?.length ?? 0);
  if (starts !== ends) throw new Error(`${starts} regions start and ${ends} end, expected as many`);
  return filled;
}

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(fileURLToPath(new URL(name, RESULTS)), "utf8"));
}

/** A column for each side that some row has, in a fixed order. */
function tableOf(rows: readonly { label: string; row: Row }[], head: string, asTime: boolean): string {
  const timings = rows.flatMap(({ row }) => row.timings);
  const named = (test: (name: string) => boolean) => [...new Set(timings.map(({ name }) => name).filter(test))];
  const peers = PEERS.flatMap((peer) => named((name) => name.startsWith(peer)));
  const sides = [BASELINE, "relaxed", "wide", ...named((name) => name.endsWith(" threads")), ...peers];
  const shown = sides.filter((side) => timings.some(({ name }) => name === side));
  const native = "native 128-bit";
  const hasNative = timings.some(({ name }) => name === native);
  const body = rows.map(({ label, row }) => {
    const [first, ...rest] = shown.map((side) => rateOf(row, find(row, side), asTime || row.unit === "time"));
    const [own, limit] = [find(row, BASELINE), find(row, native)];
    const share = own && limit ? `${((100 * limit.median) / own.median).toFixed(0)} %` : "–";
    return [label, first!, ...(hasNative ? [share] : []), ...rest];
  });
  const heads = shown.map((side) =>
    side === BASELINE ? "Lanewise" : side === "wide" || side === "relaxed" ? `\`${side}\`` : side,
  );
  const columns = [head, heads[0]!, ...(hasNative ? ["of native"] : []), ...heads.slice(1)];
  return markdownTable([columns, ...body], { ...COMPACT, align: columns.map((_, i) => (i === 0 ? "l" : "r")) });
}

function find(row: Row, side: string): Timing | undefined {
  return row.timings.find(({ name }) => name === side);
}

/** Of the median round: a rate, or a time. */
function rateOf({ unit, amount }: Row, timing: Timing | undefined, asTime = unit === "time"): string {
  if (timing === undefined) return "–";
  return asTime ? formatTime(timing.median) : formatNumber(amount / timing.median / 1e6);
}

/** Machine, runtime, day and commit of some runs, each once. */
function sourcesOf(environments: readonly Environment[]): string {
  const runs = new Set(environments.map(({ cpu, runtime, date, commit }) => `${cpu}, ${runtime}, ${date}, ${commit}`));
  const loads = environments.map(({ load }) => load);
  const [least, most] = [Math.min(...loads), Math.max(...loads)];
  const load = least === most ? `${least}` : `${least} to ${most}`;
  // The benches of the minute before count too.
  const processors = Math.min(...environments.map(({ cpu }) => Number.parseInt(cpu, 10)));
  const warning =
    most > 1.5 * processors ? " The machine was busy: these figures are too low, and differ from run to run." : "";
  return `${[...runs].join("; ")}; load before: ${load}.${warning}`;
}

/** How far rounds were apart. */
function spreadOf(rows: readonly Row[]): string {
  const timings = rows.flatMap((row) => [BASELINE, "wide"].flatMap((side) => find(row, side) ?? []));
  const most = Math.max(...timings.map(({ median, best }) => median / best - 1));
  if (most === 0) return "There was one round.";
  return `Lanewise's median round took at most ${(100 * most).toFixed(0)} % longer than its best one.`;
}

/** The highest rates that the C program has reached in any row. */
function peakOf(rows: readonly Row[]): string {
  const peaks = ["native 128-bit", "native 256-bit"].flatMap((side) => {
    const rates = rows.flatMap((row) => {
      const timing = find(row, side);
      return timing ? [row.amount / timing.best / 1e6] : [];
    });
    return rates.length === 0 ? [] : [`${formatNumber(Math.max(...rates))} GFLOP/s (${side})`];
  });
  return `Its highest rate of multiplying and adding: ${peaks.join(", ")}.`;
}

/** Where a package for JavaScript was faster than Lanewise on one thread with 128-bit vectors. */
function behind(rows: readonly Row[]): string {
  const peers = PEERS.slice(0, -1);
  const lost = rows.flatMap((row) => {
    const own = find(row, BASELINE);
    const others = row.timings.filter(({ name }) => peers.some((peer) => name.startsWith(peer)));
    const best = others.reduce<Timing | undefined>((a, b) => (a && a.median <= b.median ? a : b), undefined);
    if (!own || !best || best.median >= own.median) return [];
    const unit = row.unit === "time" ? "" : ` ${row.unit}`;
    return [`- ${row.name}: ${best.name} ${rateOf(row, best)}${unit}, Lanewise ${rateOf(row, own)}${unit}`];
  });
  return lost.length === 0
    ? "In no row that was measured is another package for JavaScript faster."
    : ["Rows in which another package for JavaScript is faster:", "", ...lost].join("\n");
}

/** The README's three numbers. */
function headline(network: Row, product: Row, { brotli, gzip }: Size): string {
  const peers = (row: Row, names: readonly string[]) =>
    names.flatMap((name) => {
      const timing = row.timings.findLast((each) => each.name.startsWith(name));
      return timing ? [`${timing.name}: ${rateOf(row, timing)}`] : [];
    });
  const own = (row: Row) => rateOf(row, find(row, BASELINE));
  return markdownTable(
    [
      ["", "Lanewise", "compared with"],
      [`training step, ${network.name}`, own(network), peers(network, ["tfjs-wasm", "PyTorch"]).join("; ")],
      [
        "matrix product, 512³",
        `${own(product)} ${product.unit}`,
        peers(product, ["tfjs-wasm", "onnxruntime-web", "jax-js"]).join("; "),
      ],
      [
        "`createCore`, `matmul` and `RMSProp` with their Wasm",
        `${kibibytes(brotli)} KiB brotli, ${kibibytes(gzip)} KiB gzip`,
        "no files to host",
      ],
    ],
    COMPACT,
  );
}

function kibibytes(bytes: number): string {
  return (bytes / 1024).toFixed(1);
}

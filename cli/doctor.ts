import { availableParallelism } from "node:os";
import process from "node:process";
import * as lanewise from "lanewise";
import * as nn from "lanewise/nn";
import { environment } from "../measure/environment.js";
import { formatEnvironment } from "../measure/markdown.js";
import { pause } from "../measure/rounds.js";
import { program } from "./program.mjs";
import { bold, faint, green, print, printJson, red, startProgress, stopProgress } from "./terminal.js";

/** What a core is asked for. `wide` is the last, because it sets flags of V8. */
const REQUESTS = (threads: number): readonly { title: string; options: lanewise.CoreOptions }[] => [
  { title: "default", options: {} },
  { title: `${threads} threads`, options: { threads } },
  { title: "JavaScript", options: { backend: "js" } },
  { title: "relaxed", options: { arithmetic: "relaxed" } },
  { title: "wide", options: { wide: true } },
];

/** What the runtime offers, by its name in `core.features`. */
const FEATURES = { simd: "Wasm SIMD", relaxedSimd: "relaxed SIMD", threads: "threads", wide: "wide (256 bits)" };

/**
 * Makes a core of every kind, runs the same program on each, and compares the digests of its bits with each other and
 * with that of the release. Resolves to the exit code: 0, or 1 if a core that promises these bits has others.
 */
export async function doctor({ json }: { json?: boolean }): Promise<number> {
  const threads = Math.min(4, Math.max(2, availableParallelism()));
  const requests = REQUESTS(threads);
  const progress = startProgress("{bar} {title}", requests.length, { title: "" });
  const cores = [];
  for (const { title, options } of requests) {
    progress.update({ title });
    const { features, pieces, ...report } = await program(lanewise, nn, { ...options, pause });
    // Products that may fuse multiply and add have bits of their own.
    const exact = !report.variant.startsWith("relaxed");
    cores.push({ title, asked: options, ...report, features, exact });
    progress.increment();
  }
  stopProgress();
  const [{ features: offered, digest }] = cores as [(typeof cores)[0]];
  const features = { ...offered, wide: cores.some((core) => core.features.wide) };
  const ok = cores.every((core) => !core.exact || core.digest === DIGEST);
  const where = environment();
  if (json) {
    const shown = cores.map(({ title, features: _, ...core }) => core);
    printJson({ lanewise: VERSION, environment: where, features, cores: shown, digest, expected: DIGEST, ok });
    return ok ? 0 : 1;
  }
  print(`${bold(`Lanewise ${VERSION}`)} | ${formatEnvironment(where)}\n`);
  print(bold("This runtime offers"));
  for (const [key, title] of Object.entries(FEATURES)) {
    print(`  ${title.padEnd(17)}${features[key as keyof typeof FEATURES] ? green("yes") : faint("no")}`);
  }
  print(`\n${bold("Asked for         Lanewise picks, and why")}`);
  for (const { title, variant, reason } of cores) {
    print(`  ${title.padEnd(16)}${green(variant.padEnd(14))}${wrap(reason, 32)}`);
  }
  print(`\n${bold("Self-test")}`);
  for (const core of cores) {
    const verdict = core.exact
      ? core.digest === DIGEST
        ? green("the release's bits")
        : red(`DIFFERS from the release's ${DIGEST}`)
      : faint("bits of its own: it may fuse multiply and add");
    print(`  ${core.title.padEnd(16)}${core.digest}  ${verdict}`);
  }
  const explained = "a hash of products, every optimizer and a training run";
  print(`\n${ok ? green("ok") : red("FAILED")}  digest ${digest}: ${explained}`);
  return ok ? 0 : 1;
}

/** Breaks a reason at its semicolons, and where a line of the terminal ends. */
function wrap(text: string, indent: number): string {
  const width = Math.max(20, (process.stdout.columns ?? 100) - indent);
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1)!.length + word.length >= width) lines.push("");
    lines.push(`${lines.pop()}${word} `);
  }
  return lines.map((line) => line.trimEnd()).join(`\n${" ".repeat(indent)}`);
}

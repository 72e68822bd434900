import { availableParallelism } from "node:os";
import * as lanewise from "lanewise";
import * as nn from "lanewise/nn";
import { environment } from "../measure/environment.js";
import { pause } from "../measure/rounds.js";
import { heading, labelled, paragraph } from "./layout.js";
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
  print(`${heading(where)}\n`);
  print(bold("This runtime offers"));
  for (const [key, title] of Object.entries(FEATURES)) {
    print(`  ${title.padEnd(17)}${features[key as keyof typeof FEATURES] ? green("yes") : faint("no")}`);
  }
  print(`\n${bold("What Lanewise selects, and why")}`);
  for (const { title, variant, reason } of cores) {
    print(labelled(`  ${title.padEnd(16)}${variant}`, reason, 32));
  }
  print(`\n${bold("Self-test")}`);
  for (const core of cores) {
    const [verdict, color] = !core.exact
      ? ["results of its own: it may fuse multiply and add", faint]
      : core.digest === DIGEST
        ? ["as in the release", green]
        : [`DIFFERS from the release's ${DIGEST}`, red];
    print(labelled(`  ${core.title.padEnd(16)}${core.digest}`, verdict, 36, color));
  }
  const exact = cores.filter((core) => core.exact);
  const wrong = exact.filter((core) => core.digest !== DIGEST);
  const names = wrong.map(({ title }) => title).join(", ");
  print();
  if (ok)
    print(
      paragraph(
        `ok  All ${exact.length} exact cores have the results of the release, bit for bit: digest ${digest}.`,
        green,
      ),
    );
  else
    print(
      paragraph(
        `FAILED  Results differ from the release (${names}). Please report the output of lanewise doctor --json.`,
        red,
      ),
    );
  return ok ? 0 : 1;
}

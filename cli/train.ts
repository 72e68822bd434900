import { createCore } from "lanewise";
import { type TrainResult, trainDigits } from "../examples/digits/train.js";
import { environment } from "../measure/environment.js";
import { formatTime } from "../measure/format.js";
import { formatEnvironment } from "../measure/markdown.js";
import { loadDigits } from "./digits.js";
import { bold, cyan, green, print, printJson, red, startProgress, stopProgress } from "./terminal.js";

/** Options of `lanewise train`. */
export interface TrainOptions {
  epochs: number;
  batchSize: number;
  hidden: number;
  learningRate: number;
  seed: number;
  json?: boolean;
}

/** What a backend has made of it, in so much time. */
type Run = TrainResult & { milliseconds: number };

/**
 * Trains the same network on the same digits with each backend, and compares the parameters that come out. Resolves to
 * the exit code: 0, or 1 if they differ.
 */
export async function train({ json, ...options }: TrainOptions): Promise<number> {
  const { epochs, learningRate, ...rest } = options;
  const { train, test } = loadDigits(new URL("digits.br", import.meta.url));
  const where = environment();
  if (!json) {
    const pixels = train.images.length / train.count;
    print(`${bold(`Lanewise ${VERSION}`)} | ${formatEnvironment(where)}\n`);
    print(`${count(train.count)} handwritten digits of MNIST to train on, ${count(test.count)} held out`);
    print(`network ${pixels}-${rest.hidden}-10, batches of ${rest.batchSize}, RMSProp with rate ${learningRate}\n`);
    print(bold("backend  variant     epochs    loss  held-out accuracy  a step    in all"));
  }
  const runs: Run[] = [];
  for (const backend of ["auto", "js"] as const) {
    if (runs[0]?.backend === "js") break;
    using core = await createCore({ backend });
    const progress = startProgress(`${core.backend} {bar} epoch {value}/{total} {accuracy}`, epochs, { accuracy: "" });
    const start = performance.now();
    const result = await trainDigits(core, train, test, {
      ...rest,
      epochs,
      optimizer: { learningRate },
      onEpoch: ({ epoch, accuracy }) => progress.update(epoch, { accuracy: `accuracy ${percent(accuracy)}` }),
    });
    runs.push({ ...result, milliseconds: performance.now() - start });
    stopProgress();
    if (!json) print(formatRun(runs.at(-1)!));
  }
  const [first, js] = runs as [Run, Run?];
  const ratio = js && js.millisecondsPerStep / first.millisecondsPerStep;
  const sameBits = js && same(first.parameters, js.parameters);
  if (json) {
    const shown = runs.map(({ afterFirstEpoch, parameters, ...run }) => run);
    printJson({ lanewise: VERSION, environment: where, options, runs: shown, ratio, sameBits });
  } else if (ratio === undefined) print("\nWasm does not run here: lanewise doctor says why.");
  else {
    const verdict = sameBits ? green("equal bit for bit") : red("DIFFERENT");
    print(`\n${first.backend} takes a step ${ratio.toFixed(1)} times as fast as js.`);
    print(`The ${count(first.parameters.length)} parameters that came out are ${verdict}.`);
  }
  return sameBits === false ? 1 : 0;
}

function formatRun({ backend, variant, epochs, loss, accuracy, millisecondsPerStep, milliseconds }: Run) {
  const cells = [
    backend.padEnd(9),
    variant.padEnd(12),
    `${epochs}`.padStart(6),
    loss.toFixed(4).padStart(8),
    percent(accuracy).padStart(19),
    formatTime(millisecondsPerStep).padStart(8),
    formatTime(milliseconds).padStart(10),
  ];
  return cyan(cells.join(""));
}

const count = (n: number) => n.toLocaleString("en");
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

function same(a: Float32Array, b: Float32Array): boolean {
  const words = new Uint32Array(b.buffer);
  return a.length === b.length && new Uint32Array(a.buffer).every((word, i) => word === words[i]);
}

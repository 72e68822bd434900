// A Wasserstein GAN learns to write digits: a convolutional generator and critic, judged by a network that reads digits.
import { type Core, createCore, RMSProp } from "lanewise";
import {
  batchNorm,
  conv2d,
  conv2dTranspose,
  dense,
  flatten,
  leakyRelu,
  normal,
  relu,
  reshape,
  Sequential,
  softmaxCrossEntropy,
  Trainer,
} from "lanewise/nn";
import { type Digits, loadDigits } from "../digits/data.js";
import { runAsMain } from "../main.js";
import { type Point, savePlot } from "../plot.js";
import { conclude, quick } from "../training.js";
import { BATCH, Wgan } from "./training.js";

const NOISE = 32;
const SIZE = 28;
const PIXELS = SIZE * SIZE;
const CLASSES = 10;

/** What the generator makes after some of its steps. */
export interface Picture {
  readonly step: number;
  /** A few images, one after the other. */
  readonly images: Float32Array;
  /** The critic's estimate: mean over real images less mean over generated ones. */
  readonly distance: number;
  /**
   * The inception score (Salimans et al. 2016) with a network that reads digits: e to the mean Kullback-Leibler divergence
   * of p(digit | image) from p(digit). 1 if all images look alike, 10 if all ten digits occur as often and none is in doubt.
   */
  readonly score: number;
}

/** DCGAN's generator (Radford et al. 2016), a size smaller; gray values in [0, 1]. */
function makeGenerator(core: Core): Sequential {
  const initializer = normal(0.02);
  const layers = [
    dense(7 * 7 * 32, { initializer, bias: false }),
    batchNorm(),
    relu(),
    reshape([7, 7, 32]),
    conv2dTranspose(16, { kernelSize: 4, strides: 2, padding: "same", initializer, bias: false }),
    batchNorm(),
    relu(),
    conv2dTranspose(1, { kernelSize: 4, strides: 2, padding: "same", initializer, activation: "sigmoid" }),
  ];
  return new Sequential(core, layers, { inputShape: [NOISE], seed: 1 });
}

function makeCritic(core: Core): Sequential {
  const conv = (filters: number) =>
    conv2d(filters, { kernelSize: 4, strides: 2, padding: "same", activation: leakyRelu({ slope: 0.2 }) });
  return new Sequential(core, [conv(16), conv(32), flatten(), dense(1)], { inputShape: [SIZE, SIZE, 1], seed: 2 });
}

/** A network that reads digits, and its accuracy on others than those it was trained on. */
async function trainReader(core: Core, train: Digits, test: Digits): Promise<{ reader: Sequential; accuracy: number }> {
  const reader = new Sequential(core, [dense(128, { activation: "relu" }), dense(CLASSES)], { inputShape: [PIXELS] });
  const optimizer = (parameters: Sequential["parameters"]) => new RMSProp(core, parameters);
  using trainer = new Trainer(reader, { loss: softmaxCrossEntropy(), optimizer });
  await trainer.fit({ x: train.images, y: train.labels }, { epochs: 10, batchSize: BATCH });
  return { reader, accuracy: trainer.evaluate(test.images, test.labels).accuracy };
}

/** The inception score of images. */
function scoreOf(reader: Sequential, images: Float32Array): number {
  const data = reader.predictProbabilities(images);
  const rows = data.length / CLASSES;
  const shares = Array.from({ length: CLASSES }, (_, digit) => {
    let sum = 0;
    for (let i = digit; i < data.length; i += CLASSES) sum += data[i]!;
    return sum / rows;
  });
  const divergence = data.reduce((sum, p, i) => (p > 0 ? sum + p * Math.log(p / shares[i % CLASSES]!) : sum), 0);
  return Math.exp(divergence / rows);
}

/** Trains both networks on `count` digits; yields a picture every `every` steps of the generator. */
export async function* run(count: number, steps: number, every: number): AsyncGenerator<Picture & { real: number }> {
  using core = await createCore();
  const { train, test } = loadDigits(count, 0);
  const { reader, accuracy } = await trainReader(core, train, test);
  console.log(`The network that reads digits is right about ${(100 * accuracy).toFixed(1)} % of ${test.count} others.`);
  const real = scoreOf(reader, test.images);
  const wgan = new Wgan(core, { generator: makeGenerator(core), critic: makeCritic(core) });
  const writeReal = (rows: Float32Array) => {
    for (let row = 0; row < BATCH; row++) {
      const digit = wgan.random.below(train.count) * PIXELS;
      rows.set(train.images.subarray(digit, digit + PIXELS), row * PIXELS);
    }
  };
  const picture = (step: number) => {
    const images = new Float32Array(16 * BATCH * PIXELS);
    for (let at = 0; at < images.length; at += BATCH * PIXELS) images.set(wgan.generate().data, at);
    return { step, images: images.slice(0, 4 * PIXELS), distance: wgan.distance, score: scoreOf(reader, images), real };
  };
  yield picture(0);
  for (let step = 1; step <= steps; step++) {
    wgan.step(writeReal);
    if (step % every === 0) yield picture(step);
  }
}

/** Images side by side, two pixels of a column to a character. */
function draw(images: Float32Array): string {
  const count = images.length / PIXELS;
  const lines: string[] = [];
  for (let y = 0; y < SIZE; y += 2) {
    const line = Array.from({ length: count * SIZE }, (_, i) => {
      const at = Math.floor(i / SIZE) * PIXELS + y * SIZE + (i % SIZE);
      return " ▀▄█"[Number(images[at]! > 0.5) + 2 * Number(images[at + SIZE]! > 0.5)];
    });
    lines.push(line.join(""));
  }
  return lines.join("\n");
}

await runAsMain(import.meta.url, async () => {
  const [count, steps, every] = quick ? [2000, 60, 20] : [8000, 6000, 500];
  console.log(
    "Digits from 32 numbers of noise, and how well a network reads them: 1 is noise, 10 are ten clear digits",
  );
  const pictures: Picture[] = [];
  let best = 0;
  for await (const { real, ...picture } of run(count, steps, every)) {
    pictures.push(picture);
    best = real;
    const { step, images, distance, score } = picture;
    console.log(`\n── step ${step}, score ${score.toFixed(2)} of ${real.toFixed(2)}, that of real digits,`);
    console.log(`   critic's estimate ${distance.toExponential(2)}\n${draw(images)}`);
  }
  savePlot(
    "wgan-digits",
    "WGAN with RMSProp: how well a network reads what it writes",
    { score: pictures.map(({ step, score }): Point => [step, score]) },
    { x: { label: "step of the generator" }, y: { label: "inception score", domain: [1, best] } },
  );
  const { distance, score } = pictures.at(-1)!;
  // A short run only shows that the critic learns to tell real from generated.
  if (quick) conclude("critic's estimate", distance, { atLeast: 0.3 });
  else conclude("inception score", score, { atLeast: 3 });
});

// Transfer learning: MobileNetV2, trained on photographs, turns emoji into features. A dense head learns from half of the
// emoji, as three vendors draw them, to tell faces, animals, food and so on. It is tested on the other half, as a fourth
// vendor draws them.
import { SingleBar } from "cli-progress";
import { type Core, createCore, RMSProp } from "lanewise";
import { batchNorm, dense, dropout, Random, Sequential, softmaxCrossEntropy, Trainer, upsample2d } from "lanewise/nn";
import { runAsMain } from "../main.js";
import { type Point, savePlot } from "../plot.js";
import { conclude, quick } from "../training.js";
import { KIND_NAMES, loadEmoji, PIXELS, type Picture } from "./emoji.js";
import { FEATURES, loadMobileNet, SIZE } from "./mobilenet.js";

const VENDORS = ["google", "twitter", "facebook", "apple"];
const BATCH = 20;

/** Rows to train or test a head with. */
interface Rows {
  readonly x: Float32Array;
  readonly y: Uint8Array;
}

/** The features of pictures, row after row. */
async function featuresOf(core: Core, pictures: readonly Picture[]): Promise<Float32Array> {
  using mobileNet = await loadMobileNet(core);
  using enlarge = new Sequential(core, [upsample2d(SIZE / PIXELS, { interpolation: "bilinear" })], {
    inputShape: [PIXELS, PIXELS, 3],
  });
  const features = new Float32Array(pictures.length * FEATURES);
  const bar = new SingleBar({ format: "features [{bar}] {value}/{total} pictures", clearOnComplete: true });
  bar.start(pictures.length, 0);
  for (let i = 0; i < pictures.length; i += BATCH) {
    const batch = pictures.slice(i, i + BATCH);
    const small = core.tensor([batch.length, PIXELS, PIXELS, 3]);
    for (const [row, { pixels }] of batch.entries()) small.data.set(pixels, row * pixels.length);
    const y = core.scope(() => mobileNet.predict(enlarge.predict(small)));
    features.set(y.data, i * FEATURES);
    for (const tensor of [small, y]) tensor.dispose();
    bar.increment(batch.length);
  }
  bar.stop();
  return features;
}

/** Trains a head on `train`; its accuracy on `test` after each epoch. */
async function trainHead(core: Core, train: Rows, test: Rows, epochs: number): Promise<number[]> {
  const width = train.x.length / train.y.length;
  const layers = [batchNorm(), dropout(0.5), dense(KIND_NAMES.length)];
  using model = new Sequential(core, layers, { inputShape: [width], seed: 1 });
  using trainer = new Trainer(model, {
    loss: softmaxCrossEntropy(),
    optimizer: (parameters) => new RMSProp(core, parameters, { learningRate: 1e-3 }),
  });
  const accuracies: number[] = [];
  for await (const { validation } of trainer.fit(train, { epochs, batchSize: 16, validation: test })) {
    accuracies.push(validation!.accuracy);
  }
  return accuracies;
}

/** Accuracies on `count` emoji, half of them trained on: of a head on features, and of one on pixels. */
export async function run(count: number, epochs: number): Promise<{ features: number[]; pixels: number[] }> {
  using core = await createCore();
  const emoji = loadEmoji(VENDORS);
  const order = Uint32Array.from(emoji, (_, i) => i);
  new Random(0).shuffle(order);
  const chosen = Array.from(order.subarray(0, count), (i) => emoji[i]!);
  const half = chosen.length >> 1;
  const train = chosen.slice(0, half).flatMap((drawings) => drawings.slice(0, -1));
  const test = chosen.slice(half).map((drawings) => drawings.at(-1)!);
  console.log(`${train.length} drawings to train on, ${test.length} others: ${KIND_NAMES.join(", ")}\n`);
  const rows = (pictures: readonly Picture[], x: Float32Array): Rows => {
    return { x, y: Uint8Array.from(pictures, ({ kind }) => kind) };
  };
  const features = async (set: readonly Picture[]) => rows(set, await featuresOf(core, set));
  const pixels = (set: readonly Picture[]) => rows(set, Float32Array.from(set.flatMap((p) => [...p.pixels])));
  return {
    features: await trainHead(core, await features(train), await features(test), epochs),
    pixels: await trainHead(core, pixels(train), pixels(test), epochs),
  };
}

await runAsMain(import.meta.url, async () => {
  const { features, pixels } = await run(quick ? 200 : Number.POSITIVE_INFINITY, quick ? 10 : 40);
  const line = (accuracies: readonly number[]) => accuracies.map((accuracy, epoch): Point => [epoch + 1, accuracy]);
  savePlot(
    "transfer",
    "A head on the features of MobileNetV2, and on pixels",
    { "on features": line(features), "on pixels": line(pixels) },
    { x: { label: "epoch" }, y: { label: "accuracy on other emoji of another vendor", domain: [0, 1] } },
  );
  conclude("accuracy on features", features.at(-1)!, { atLeast: quick ? 0.4 : 0.7 });
  conclude("what that is above the accuracy on pixels", features.at(-1)! - pixels.at(-1)!, {
    atLeast: quick ? 0 : 0.15,
  });
});

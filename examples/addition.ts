// A small transformer learns to add: it reads two numbers of eight digits, last digits first, and writes their sum.
import { cosineDecay, createCore, RMSProp } from "lanewise";
import {
  add,
  dense,
  embedding,
  input,
  layerNorm,
  Model,
  multiHeadAttention,
  positionalEmbedding,
  Random,
  type SymbolicTensor,
  softmaxCrossEntropy,
  Trainer,
} from "lanewise/nn";
import { runAsMain } from "./main.js";
import { savePlot } from "./plot.js";
import { conclude, means, quick } from "./training.js";

const DIGITS = 8;
const BATCH = 64;
const WIDTH = 64;
const HEADS = 4;
const BLOCKS = 2;
const TESTS = 1000;

export interface Step {
  readonly loss: number;
  /** Share of test sums of which every digit is right; of the last step, and of every 250th. */
  readonly exact?: number;
  readonly examples?: readonly string[];
}

/** Pre-norm blocks: attention to this digit and those before it, then a network for each digit. */
function transformer(): { inputs: SymbolicTensor; outputs: SymbolicTensor } {
  const inputs = input([DIGITS]);
  let x = positionalEmbedding(DIGITS).apply(embedding(100, WIDTH).apply(inputs));
  for (let block = 0; block < BLOCKS; block++) {
    const attended = multiHeadAttention(HEADS, { causal: true }).apply(layerNorm().apply(x));
    x = add().apply([x, attended]);
    const hidden = dense(4 * WIDTH, { activation: "relu" }).apply(layerNorm().apply(x));
    x = add().apply([x, dense(WIDTH).apply(hidden)]);
  }
  return { inputs, outputs: dense(10).apply(layerNorm().apply(x)) };
}

interface Sums {
  /** A pair of digits a place, 10·a + b, the last digits first. */
  readonly x: Float32Array;
  /** Digits of the sum modulo 10^8. */
  readonly y: Float32Array;
}

function makeSums(count: number, random: Random): Sums {
  const x = new Float32Array(count * DIGITS);
  const y = new Float32Array(count * DIGITS);
  for (let row = 0; row < count; row++) {
    let carry = 0;
    for (let i = row * DIGITS; i < (row + 1) * DIGITS; i++) {
      const [a, b] = [random.below(10), random.below(10)];
      x[i] = 10 * a + b;
      y[i] = (a + b + carry) % 10;
      carry = Number(a + b + carry > 9);
    }
  }
  return { x, y };
}

/** Trains on new random sums in each step; yields every step. */
export async function* run(steps: number): AsyncGenerator<Step> {
  using core = await createCore();
  using model = new Model(core, transformer());
  const warmUp = 100;
  const decay = cosineDecay(1e-3, steps);
  using trainer = new Trainer(model, {
    loss: softmaxCrossEntropy(),
    optimizer: (parameters) =>
      new RMSProp(core, parameters, {
        learningRate: (step) => Math.min(1, (step + 1) / warmUp) * decay(step),
        decay: 0.99,
        globalClipNorm: 1,
      }),
  });
  const random = new Random(1);
  const tests = makeSums(TESTS, new Random(2));
  for (let step = 1; step <= steps; step++) {
    const { x, y } = makeSums(BATCH, random);
    const loss = trainer.step(x, y);
    if (step % 250 && step < steps) {
      yield { loss };
      continue;
    }
    const digits = model.predictClasses(tests.x);
    let exact = 0;
    const examples: string[] = [];
    for (let row = 0; row < TESTS; row++) {
      const places = Array.from({ length: DIGITS }, (_, i) => (row + 1) * DIGITS - 1 - i);
      const isRight = places.every((i) => digits[i] === tests.y[i]);
      exact += Number(isRight);
      const number = (digit: (i: number) => number) => places.map(digit).join("");
      const [a, b] = [number((i) => Math.floor(tests.x[i]! / 10)), number((i) => tests.x[i]! % 10)];
      if (row < 3) examples.push(`${a} + ${b} = ${number((i) => digits[i]!)} ${isRight ? "✓" : "✗"}`);
    }
    yield { loss, exact: exact / TESTS, examples };
  }
}

await runAsMain(import.meta.url, async () => {
  const losses: number[] = [];
  let last = 0;
  console.log(`${BLOCKS} blocks of width ${WIDTH}, ${HEADS} heads; sums modulo 10^${DIGITS}`);
  for await (const { loss, exact, examples } of run(quick ? 250 : 3000)) {
    losses.push(loss);
    if (exact === undefined) continue;
    last = exact;
    console.log(`\n── step ${losses.length}, loss ${loss.toFixed(4)}, exact ${(100 * exact).toFixed(1)} %`);
    console.log(examples!.join("\n"));
  }
  const curve = means(losses, 10);
  savePlot(
    "addition",
    "A transformer learns to add",
    { loss: curve },
    {
      x: { label: "step" },
      y: { label: "cross-entropy a digit", type: "log" },
    },
  );
  if (quick) conclude("loss", curve.at(-1)![1], { atMost: 1.5 });
  else conclude("share of exact sums", last, { atLeast: 0.99 });
});

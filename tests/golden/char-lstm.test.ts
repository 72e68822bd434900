import { expect, it } from "vitest";
import { createCoreSync } from "../../src/entry/inline.js";
import { RMSProp } from "../../src/index.js";
import { dense, embedding, lstm, Sequential, softmaxCrossEntropy, Trainer } from "../../src/nn/index.js";
import { readJson } from "./vectors.js";

/** A training run of PyTorch in float64: see generate/char_lstm.py. */
interface Run {
  text: string;
  rows: number;
  time: number;
  width: number;
  units: number;
  weights: Readonly<Record<string, readonly number[]>>;
  losses: readonly number[];
}

it("50 steps of a character-level LSTM follow PyTorch's losses", () => {
  const { text, rows, time, width, units, weights, losses } = readJson("recurrent-char-lstm") as Run;
  const characters = [...new Set(text)].sort();
  const core = createCoreSync();
  const model = new Sequential(
    core,
    [
      embedding(characters.length, width, { name: "embedding" }),
      lstm(units, { returnSequences: true, name: "lstm" }),
      dense(characters.length, { name: "dense" }),
    ],
    { inputShape: [time] },
  );
  for (const [name, values] of Object.entries(weights)) model.parameters[name]!.set([...values]);
  const trainer = new Trainer(model, {
    loss: softmaxCrossEntropy(),
    optimizer: (parameters) =>
      new RMSProp(core, parameters, { dialect: "pytorch", learningRate: 2e-3, decay: 0.95, eps: 1e-8 }),
  });
  const ids = Array.from(text, (character) => characters.indexOf(character));
  let worst = 0;
  for (const [step, expected] of losses.entries()) {
    const x: number[] = [];
    const y: number[] = [];
    for (let row = 0; row < rows; row++) {
      const start = (37 * step + 150 * row) % (text.length - time - 1);
      x.push(...ids.slice(start, start + time));
      y.push(...ids.slice(start + 1, start + time + 1));
    }
    const loss = trainer.step(Float32Array.from(x), Float32Array.from(y));
    worst = Math.max(worst, Math.abs(loss - expected) / expected);
  }
  expect(losses.at(-1)!, "it learns").toBeLessThan(losses[0]! * 0.85);
  // float32 against float64: a rounding or two of the loss itself is all that shows (measured: 4.2e-8).
  expect(worst).toBeLessThan(5 * 2 ** -24);
  core.dispose();
});

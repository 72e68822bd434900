// Training stops half way and resumes from a file, with the same bits as training that did not stop.
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createCore, RMSProp, type Schedule } from "lanewise";
import { loadCheckpoint, saveCheckpoint } from "lanewise/checkpoint";
import { fileStore } from "lanewise/checkpoint/file";
import { dense, meanSquaredError, Sequential, Trainer, tanh } from "lanewise/nn";
import { runAsMain } from "./main.js";

/** Where the file is kept. */
const FILE = fileURLToPath(new URL("out/checkpoint.safetensors", import.meta.url));

const x = Float32Array.from({ length: 64 }, (_, i) => (i - 32) / 16);
const y = x.map((value) => Math.fround(value * value));
const learningRate: Schedule = (iteration) => 0.02 / (1 + iteration / 50);

/** Losses of 100 steps in one go; and of 50, a file, and 50 more by another model, on another backend. */
export async function run(): Promise<{ straight: number[]; resumed: number[]; bytes: number }> {
  const begin = async (backend: "auto" | "js", seed: number) => {
    const core = await createCore({ backend });
    const model = new Sequential(core, [dense(1, 16), tanh(), dense(16, 1)], { seed });
    const optimizer = new RMSProp(core, model.parameters, { learningRate, momentum: 0.5, centered: true });
    const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer: () => optimizer });
    const steps = (count: number) => Array.from({ length: count }, () => trainer.step(x, y));
    return { core, steps, target: { parameters: model.parameters, optimizer } };
  };

  const whole = await begin("auto", 1);
  const straight = whole.steps(100);

  const first = await begin("auto", 1);
  const resumed = first.steps(50);
  const bytes = saveCheckpoint({ ...first.target, metadata: { loss: String(resumed.at(-1)) } });
  mkdirSync(new URL("out/", import.meta.url), { recursive: true });
  const store = fileStore(FILE);
  await store.save(bytes);

  const second = await begin("js", 2);
  loadCheckpoint((await store.load())!, second.target);
  resumed.push(...second.steps(50));

  for (const { core } of [whole, first, second]) core.dispose();
  return { straight, resumed, bytes: bytes.length };
}

await runAsMain(import.meta.url, async () => {
  const { straight, resumed, bytes } = await run();
  console.log("  step   loss in one go           stopped after 50, resumed in JavaScript");
  for (const i of [0, 49, 50, 74, 99]) {
    console.log(`${i + 1}`.padStart(6), ` ${straight[i]}`.padEnd(24), ` ${resumed[i]}`);
  }
  console.log(`\nAll 100 losses are the same: ${straight.every((loss, i) => loss === resumed[i])}`);
  console.log(`${FILE}: ${bytes} bytes`);
});

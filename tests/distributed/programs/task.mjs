// What every member of a test trains, in whatever runtime it is: two spirals, dropout, more batches than one size.
import { AdamW, createCore } from "lanewise";
import { DiLoCo, DistributedTrainer } from "lanewise/distributed";
import { dense, dropout, Sequential, softmaxCrossEntropy, Trainer } from "lanewise/nn";

/** Points on two spirals, and which one each is on. */
export function spirals(count) {
  const x = new Float32Array(2 * count);
  const y = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    // Only products and quotients: sine and cosine differ between engines.
    const t = i / count;
    const [a, b] = [1 - 8 * t * t, 4 * t * (1 - t)];
    const sign = i % 2 === 0 ? 1 : -1;
    x.set([sign * a * (0.2 + t), sign * b * (0.2 + t)], 2 * i);
    y[i] = i % 2;
  }
  return { x, y };
}

/** The trainer of a task, and what its parameters come to. */
export async function createTask({ seed = 1, hidden = 24, rate = 0.1, learningRate = 0.01, backend = "auto" } = {}) {
  const core = await createCore({ backend });
  const layers = [dense(2, hidden), dropout(rate), dense(hidden, 2)];
  const model = new Sequential(core, layers, { seed });
  const optimizer = (parameters) => new AdamW(core, parameters, { learningRate });
  return { core, model, trainer: new Trainer(model, { loss: softmaxCrossEntropy(), optimizer }) };
}

/** Trains with a group; resolves with digest and epochs. `slow`: milliseconds that a row fetch takes. */
export async function trainTask(group, { microBatches = 8, epochs = 3, rows = 203, batchSize = 32, ...more } = {}) {
  const { slow = 0, spoilAt, onProgress, signal, resume = false, diloco, ...options } = more;
  const task = await createTask(options);
  const distributed =
    diloco === undefined
      ? new DistributedTrainer(task.trainer, group, { microBatches, seed: 5 })
      : new DiLoCo(task.trainer, group, { seed: 5, ...diloco });
  const { x, y } = spirals(rows);
  const source = {
    count: rows,
    description: `spirals ${rows}`,
    async rows(indices) {
      if (slow > 0) await new Promise((resolve) => setTimeout(resolve, slow));
      return {
        x: Float32Array.from({ length: 2 * indices.length }, (_, i) => x[2 * indices[i >> 1] + (i & 1)]),
        y: Float32Array.from(indices, (index) => y[index]),
      };
    },
  };
  const method = resume ? "resume" : "fit";
  let steps = 0;
  const progress = (now) => {
    // Memory that goes bad.
    if (++steps === spoilAt) task.model.parameters["2.weight"].data[7] += 0.001;
    onProgress?.(now);
  };
  const history = await distributed[method](source, { epochs, batchSize, onProgress: progress, signal });
  return { digest: digest(task.model), history, traffic: group.traffic };
}

/** FNV-1a over the bits of all parameters. */
export function digest(model) {
  let hash = 0x811c9dc5;
  for (const name of Object.keys(model.parameters).sort()) {
    for (const byte of new Uint8Array(model.parameters[name].data.slice().buffer)) {
      hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
    }
  }
  return hash.toString(16).padStart(8, "0");
}

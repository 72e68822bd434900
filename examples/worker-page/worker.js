import { indexedDBStore } from "./node_modules/lanewise/dist/default/checkpoint.js";
import { createCoreSync, RMSProp } from "./node_modules/lanewise/dist/default/index.js";
import * as nn from "./node_modules/lanewise/dist/default/nn.js";

// Not `await createCore()`: messages that arrive while a module awaits at its top level are lost.
const core = createCoreSync();
const store = indexedDBStore("lanewise-classifier", "model");
const training = {
  loss: nn.softmaxCrossEntropy(),
  optimizer: (parameters) => new RMSProp(core, parameters, { learningRate: 1e-2 }),
};

let model;
let trainer;
let samples = { x: [], y: [] };
let epochs = 0;

/** Continues what the last visit saved, or makes a new model. */
async function start() {
  const bytes = await store.load();
  if (bytes === undefined) {
    model = new nn.Sequential(core, [nn.dense(16), nn.relu(), nn.dense(2)], { inputShape: [2], seed: 1 });
    trainer = new nn.Trainer(model, training);
  } else {
    const { dense, relu } = nn;
    const loaded = nn.loadModel(core, bytes, { layers: { dense, relu }, trainer: training });
    ({ model, trainer } = loaded);
    ({ samples, epochs } = loaded.metadata);
  }
  report();
}

/** What the page may ask for. */
const actions = {
  async add({ x, y }) {
    samples.x.push(x);
    samples.y.push(y);
  },
  async train({ epochs: count }) {
    for await (const { epoch } of trainer.fit(samples, { epochs: count, batchSize: 16 })) {
      epochs++;
      if (epoch % 10 === 0) report();
    }
  },
};

// One message after the other. What was computed is saved before the page hears of it.
let last = start();
addEventListener("message", ({ data }) => {
  last = last
    .then(() => actions[data.type](data))
    .then(() => store.save(nn.saveModel(model, { trainer, metadata: { samples, epochs } })))
    .then(report)
    .catch((error) => postMessage({ error: error.message }));
});

const SIZE = 24;
/** The middle of every square of the map, from (0, 0) at the top left to (1, 1). */
const grid = Array.from({ length: SIZE * SIZE }, (_, i) => [
  ((i % SIZE) + 0.5) / SIZE,
  (Math.floor(i / SIZE) + 0.5) / SIZE,
]);

/** Tells the page what there is now. */
function report() {
  const accuracy = samples.y.length === 0 ? undefined : trainer.evaluate(samples.x, samples.y).accuracy;
  postMessage({ samples, epochs, accuracy, map: { size: SIZE, classes: model.predictClasses(grid) } });
}

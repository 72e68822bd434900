// A program that is compiled and not run: what a user writes is accepted, what is wrong is not.
import {
  type Core,
  createCore,
  createCoreSync,
  matmul,
  minimize,
  OptionError,
  RMSProp,
  type RMSPropOptions,
  SGD,
  type Tensor,
} from "lanewise";
import {
  type CheckpointStore,
  indexedDBStore,
  loadCheckpoint,
  opfsStore,
  readSafetensors,
  saveCheckpoint,
  writeSafetensors,
} from "lanewise/checkpoint";
import { fileStore } from "lanewise/checkpoint/file";
import { createCoreSync as createTwin } from "lanewise/js";
import { dense, relu, Sequential, softmaxCrossEntropy, Trainer } from "lanewise/nn";
import { createCore as createSlimCore } from "lanewise/slim";

const options: RMSPropOptions = { learningRate: (iteration) => 1 / iteration, centered: true };

export async function run(wasm: WebAssembly.Module): Promise<number> {
  const cores: Core[] = [
    createCoreSync(),
    createTwin(),
    await createCore({ threads: 2 }),
    await createSlimCore({ wasm }),
  ];
  const core = cores[0]!;
  const w: Tensor = core.tensor([2, 3], (i) => i);
  const plain = new Float32Array(3);
  new RMSProp(core, { w, plain }, options).step({ w: matmul(w, w, { transposeB: true }), plain });
  new SGD(core, [w, plain], { momentum: 0.9 }).step([w, null]);

  const model = new Sequential(core, [dense(3, 4), relu(), dense(4, 2)], { seed: 1 });
  const trainer = new Trainer(model, {
    loss: softmaxCrossEntropy(),
    optimizer: (parameters) => new RMSProp(core, parameters, { momentum: 0.5 }),
  });
  for await (const { loss } of trainer.fit({ x: w, y: [0, 1] }, { epochs: 2 })) console.log(loss.toFixed(3));
  const { point } = minimize((x) => x[0]! ** 2, [1], {
    optimizer: (parameters) => new RMSProp(core, parameters),
    iterations: 3,
  });

  try {
    // @ts-expect-error: the numbers of the shape are an array
    core.tensor(3);
    // @ts-expect-error: no such option
    new RMSProp(core, w, { decai: 0.9 });
    new RMSProp(core, [
      { params: w, momentum: 0.9 },
      {
        params: { w },
        // @ts-expect-error: no such option, and the message is at it
        decai: 0.9,
      },
    ]);
    // @ts-expect-error: gradients have the parameters' structure
    new RMSProp(core, { w }).step(3);
    // @ts-expect-error: no such activation
    matmul(w, w, { activation: "softmax" });
    // @ts-expect-error: the Wasm is missing
    await createSlimCore({});
  } catch (error) {
    if (error instanceof OptionError) console.log(error.code);
  }
  return point[0]! + w.data[0]! + w.shape[0]!;
}

/** What a checkpoint takes, and gives back. */
export async function checkpoints(core: Core): Promise<readonly string[]> {
  const model = new Sequential(core, [dense(2, 1)]);
  const optimizer = new RMSProp(core, model.parameters);
  const bytes = saveCheckpoint({ parameters: model, optimizer });
  const stores: CheckpointStore[] = [fileStore("model"), indexedDBStore("app", "model"), opfsStore("model")];
  for (const store of stores) await store.save(bytes);
  new Blob([bytes]);
  const groups = [{ params: { w: new Float32Array(1) }, learningRate: 1 }];
  loadCheckpoint(bytes, { parameters: groups }, { names: ["w"], strict: false });
  loadCheckpoint(bytes, { parameters: [{ params: core.tensor([1]), learningRate: 1 }] });
  loadCheckpoint(readSafetensors(bytes), { parameters: { w: core.tensor([1]) } }, { names: (name) => name.slice(1) });
  writeSafetensors([["labels", { shape: [1], data: [1n], dtype: "I64" }]]);
  // @ts-expect-error no such store
  stores.push({ save: async () => {} });
  return loadCheckpoint(bytes, { parameters: model }, { names: { "0.weight": "weight" }, convert: true }).missing;
}

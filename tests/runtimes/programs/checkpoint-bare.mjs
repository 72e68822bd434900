// QuickJS, which has neither TextEncoder nor TextDecoder: a checkpoint saved, loaded, and a file that is refused.

import { loadCheckpoint, readSafetensors, saveCheckpoint, writeSafetensors } from "lanewise/checkpoint";
import { createCoreSync, RMSProp } from "lanewise/js";

export async function run() {
  const core = createCoreSync();
  const make = (start) => {
    const parameters = { "größe 🜁": core.tensor([2], [start, 2]) };
    return { parameters, optimizer: new RMSProp(core, parameters, { momentum: 0.9 }) };
  };
  const [first, second] = [make(1), make(5)];
  first.optimizer.step({ "größe 🜁": new Float32Array([0.5, -0.5]) });
  const bytes = saveCheckpoint({ ...first, metadata: { note: "Ä 🜁" } });
  const { metadata, loaded } = loadCheckpoint(bytes, second);
  let refused;
  try {
    readSafetensors(new Uint8Array([60, 33, 68, 79, 67, 84, 89, 80, 69, 32, 104, 116, 109, 108, 62]));
  } catch (error) {
    refused = error.message;
  }
  const half = readSafetensors(writeSafetensors([["x", { shape: [1], data: [0.1], dtype: "F16" }]])).tensors.get("x");
  return JSON.stringify({
    encoders: typeof TextEncoder + typeof TextDecoder,
    note: metadata.note,
    loaded,
    equal:
      JSON.stringify(second.parameters["größe 🜁"].toArray()) === JSON.stringify(first.parameters["größe 🜁"].toArray()),
    iterations: second.optimizer.iterations,
    refused,
    half: half.data[0],
  });
}

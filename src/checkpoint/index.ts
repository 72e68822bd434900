export type { StatefulOptimizer } from "./about.js";
export { type CheckpointSource, saveCheckpoint } from "./checkpoint.js";
export type { Bytes, StoredData } from "./dtypes.js";
export type { ImportedOptimizer, Layout, LayoutSource } from "./layouts/layout.js";
export { optax } from "./layouts/optax.js";
export { pytorch } from "./layouts/pytorch.js";
export { keras3, tfjs } from "./layouts/uniform.js";
export { type Checkpoint, type CheckpointTarget, type LoadOptions, loadCheckpoint } from "./load.js";
export type { CheckpointParameters, ModelTensors } from "./parameters.js";
export {
  readSafetensors,
  type Safetensors,
  type SafetensorsLimits,
  type StoredTensor,
  type TensorSource,
  writeSafetensors,
} from "./safetensors.js";
export { durableObjectStore } from "./stores/durable-object.js";
export { indexedDBStore } from "./stores/indexeddb.js";
export { opfsStore } from "./stores/opfs.js";
export type { CheckpointStore } from "./stores/store.js";

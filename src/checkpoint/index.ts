export {
  type Checkpoint,
  type CheckpointSource,
  type CheckpointTarget,
  loadCheckpoint,
  type StatefulOptimizer,
  saveCheckpoint,
} from "./checkpoint.js";
export type { ImportedOptimizer, Layout, LayoutSource } from "./layouts.js";
export { pytorch } from "./pytorch.js";
export {
  readSafetensors,
  type Safetensors,
  type SafetensorsLimits,
  type StoredData,
  type StoredTensor,
  writeSafetensors,
} from "./safetensors.js";
export { keras3, optax, tfjs } from "./uniform.js";

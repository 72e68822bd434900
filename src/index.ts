export type { Activation } from "./backend/backend.js";
export type { Features } from "./backend/probe.js";
export type { MemoryOptions, MemorySize } from "./backend/select.js";
export type { Core, CoreOptions, MemoryUse } from "./core.js";
export {
  BackendError,
  CheckpointError,
  DisposedError,
  LanewiseError,
  NonFiniteError,
  OptionError,
  OutOfMemoryError,
  ShapeError,
} from "./errors.js";
export { type MatmulOptions, matmul } from "./linalg/matmul.js";
export type { NestedArray, Shape, Tensor, TensorSource } from "./tensor.js";

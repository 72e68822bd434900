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
export { Adafactor, type AdafactorGroupOptions, type AdafactorOptions } from "./optim/adafactor.js";
export { AdaGrad, type AdaGradGroupOptions, type AdaGradOptions } from "./optim/adagrad.js";
export { Adam, type AdamGroupOptions, type AdamOptions, AdamW } from "./optim/adam.js";
export { stepCautiously } from "./optim/cautious.js";
export type { DialectName } from "./optim/dialects.js";
export {
  type ClipGradientNormOptions,
  clampParameters,
  clipGradientBlocks,
  clipGradientNorm,
  clipGradientsAdaptively,
  clipGradientValues,
  denseRows,
  overwriteWithAverages,
  scaleGradients,
  unscaleGradients,
} from "./optim/gradient-functions.js";
export { Lion, type LionGroupOptions, type LionOptions } from "./optim/lion.js";
export { type MinimizeOptions, type MinimizeResult, type MinimizeStep, minimize } from "./optim/minimize.js";
export { Muon, type MuonGroupOptions, type MuonOptions } from "./optim/muon.js";
export { NAdam, type NAdamGroupOptions, type NAdamOptions } from "./optim/nadam.js";
export type { Optimizer } from "./optim/optimizer.js";
export type {
  GroupOptions,
  OptimizerDescription,
  OptionChanges,
  Schedule,
  StatefulSchedule,
  StepOptions,
} from "./optim/options.js";
export type {
  Gradient,
  GradientSet,
  Gradients,
  Parameter,
  ParameterCopies,
  ParameterCopy,
  ParameterGroup,
  ParameterSet,
  ParametersOf,
} from "./optim/parameters.js";
export { RMSProp, type RMSPropGroupOptions, type RMSPropOptions } from "./optim/rmsprop.js";
export type { RowGradient, RowIndices } from "./optim/row-gradient.js";
export { joinSchedules, scaleSchedule, warmup } from "./optim/schedules/combine.js";
export { cosineAnnealing, cosineDecay, cosineRestarts } from "./optim/schedules/cosine.js";
export { type CyclicOptions, cyclic } from "./optim/schedules/cyclic.js";
export { constantSchedule, exponentialDecay, linearSchedule, stepDecay } from "./optim/schedules/decay.js";
export {
  type OneCycleMomentumOptions,
  type OneCycleOptions,
  oneCycle,
  oneCycleMomentum,
} from "./optim/schedules/one-cycle.js";
export {
  type PlateauOptions,
  type PlateauSchedule,
  type PlateauState,
  reduceOnPlateau,
} from "./optim/schedules/plateau.js";
export { inverseTimeDecay, polynomialDecay } from "./optim/schedules/polynomial.js";
export { SGD, type SGDGroupOptions, type SGDOptions } from "./optim/sgd.js";
export { type DecayGroups, splitDecay } from "./optim/split-decay.js";
export type { OptimizerState, ParameterState } from "./optim/state.js";
export { rows } from "./optim/step-with-rows.js";
export type { PackedTensor, PackOptions } from "./packed.js";
export type { NestedArray, Shape, Tensor, TensorSource } from "./tensor.js";

export { Random } from "../random.js";
export type { Batch } from "./data.js";
export type { Epoch, Fit, FitOptions, Progress } from "./fit.js";
export type { Gradients } from "./gradients.js";
export { glorotNormal, glorotUniform, heNormal, heUniform, type Initializer, normal, uniform } from "./initializers.js";
export { type BufferSpec, Layer, type LayerConfig, type ParameterSpec } from "./layer.js";
export { type ActivationLayer, type ActivationName, activation, relu, sigmoid, tanh } from "./layers/activation.js";
export { type AddLayer, add } from "./layers/add.js";
export { type ConcatLayer, concat } from "./layers/concat.js";
export { type DenseLayer, type DenseOptions, dense } from "./layers/dense.js";
export { type DropoutLayer, dropout } from "./layers/dropout.js";
export { flatten, type ReshapeLayer, reshape } from "./layers/reshape.js";
export { binaryCrossEntropy } from "./losses/binary-cross-entropy.js";
export { huber } from "./losses/huber.js";
export type { Loss, Targets } from "./losses/loss.js";
export { meanSquaredError } from "./losses/mean-squared-error.js";
export { softmaxCrossEntropy } from "./losses/softmax-cross-entropy.js";
export { Model, type ModelOptions } from "./model.js";
export type { PlanBuilder } from "./plan-builder.js";
export { multiply, type Product } from "./products.js";
export { Sequential, type SequentialOptions } from "./sequential.js";
export { input, type SymbolicTensor } from "./symbolic.js";
export {
  type BackwardOptions,
  type Dataset,
  type Evaluation,
  type ModelOptimizer,
  Trainer,
  type TrainerOptions,
  type TrainerState,
} from "./trainer.js";
export type { Address, Argument, RunArgument, Value } from "./value.js";

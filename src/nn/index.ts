export { Random } from "../random.js";
export type { Batch } from "./data.js";
export { glorotNormal, glorotUniform, heNormal, heUniform, type Initializer, normal, uniform } from "./initializers.js";
export { type DenseOptions, dense, dropout, type Layer, relu, sigmoid, tanh } from "./layers.js";
export { binaryCrossEntropy, huber, type Loss, meanSquaredError, softmaxCrossEntropy } from "./losses.js";
export { Sequential, type SequentialOptions } from "./sequential.js";
export {
  type Dataset,
  type Epoch,
  type Evaluation,
  type FitOptions,
  type ModelOptimizer,
  type Progress,
  Trainer,
  type TrainerOptions,
  type TrainerState,
} from "./trainer.js";

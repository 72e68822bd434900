export { type NetworkKernels, nnFamily } from "../backend/families/nn.js";
export { type RegressionKernels, regressionFamily } from "../backend/families/regression.js";
export type { KernelFamily } from "../backend/family.js";
export { Random } from "../random.js";
export type { Batch, Rows } from "./data.js";
export type { EarlyStopping } from "./early-stopping.js";
export { type FindLearningRateOptions, findLearningRate, type LearningRates } from "./find-learning-rate.js";
export type { Epoch, Fit, Progress } from "./fit.js";
export type { FitCallback, FitOptions } from "./fit-options.js";
export type { Gradients } from "./gradients.js";
export {
  glorotNormal,
  glorotUniform,
  heNormal,
  heUniform,
  type Initializer,
  normal,
  orthogonal,
  uniform,
} from "./initializers.js";
export { exportTfjs, type TfjsModel } from "./interchange/export-tfjs.js";
export { importKeras, type KerasFiles } from "./interchange/import-keras.js";
export type { ImportOptions } from "./interchange/import-model.js";
export { type ImportPytorchOptions, importPytorch } from "./interchange/import-pytorch.js";
export { importTfjs, type TfjsFiles } from "./interchange/import-tfjs.js";
export { type BufferSpec, Layer, type LayerConfig, layerConfig, type ParameterSpec } from "./layer.js";
export {
  type ActivationLayer,
  type ActivationName,
  type ActivationOptions,
  relu,
  sigmoid,
  softmax,
  tanh,
} from "./layers/activation.js";
export {
  type ActivationFunctionName,
  activation,
  elu,
  gelu,
  hardSigmoid,
  hardSwish,
  type LogSoftmaxLayer,
  leakyRelu,
  logSoftmax,
  mish,
  type PreluLayer,
  prelu,
  relu6,
  selu,
  silu,
  softplus,
  softsign,
  type UnaryLayer,
} from "./layers/activations.js";
export { type AddLayer, add } from "./layers/add.js";
export { type BatchNormLayer, type BatchNormOptions, batchNorm } from "./layers/batch-norm.js";
export {
  type BidirectionalLayer,
  type BidirectionalOptions,
  bidirectional,
  type MergeMode,
} from "./layers/bidirectional.js";
export { type ConcatLayer, concat } from "./layers/concat.js";
export { type Conv1dOptions, type Conv2dOptions, type ConvLayer, conv1d, conv2d } from "./layers/conv.js";
export { type Conv2dTransposeLayer, type Conv2dTransposeOptions, conv2dTranspose } from "./layers/conv2d-transpose.js";
export { type DenseLayer, type DenseOptions, dense } from "./layers/dense.js";
export { type DepthwiseConv2dLayer, type DepthwiseConv2dOptions, depthwiseConv2d } from "./layers/depthwise-conv2d.js";
export { type DropoutLayer, dropout } from "./layers/dropout.js";
export { type EmbeddingLayer, type EmbeddingOptions, embedding } from "./layers/embedding.js";
export { type ExampleNormLayer, type GroupNormLayer, groupNorm } from "./layers/group-norm.js";
export { type GruLayer, type GruOptions, gru } from "./layers/gru.js";
export type { KernelOptions } from "./layers/kernel-layer.js";
export { type LayerNormLayer, layerNorm } from "./layers/layer-norm.js";
export { type LstmLayer, type LstmOptions, lstm } from "./layers/lstm.js";
export {
  type MultiHeadAttentionLayer,
  type MultiHeadAttentionOptions,
  multiHeadAttention,
} from "./layers/multi-head-attention.js";
export type { NormOptions } from "./layers/norm-options.js";
export {
  averagePool1d,
  averagePool2d,
  type GlobalPoolLayer,
  globalAveragePool1d,
  globalAveragePool2d,
  globalMaxPool1d,
  globalMaxPool2d,
  maxPool1d,
  maxPool2d,
  type Pool1dOptions,
  type Pool2dOptions,
  type PoolLayer,
} from "./layers/pool.js";
export { type PositionalEmbeddingLayer, positionalEmbedding } from "./layers/positional-embedding.js";
export type { RecurrentLayer } from "./layers/recurrent.js";
export type { GatedOptions, RecurrentActivation, RecurrentOptions } from "./layers/recurrent-options.js";
export { flatten, type ReshapeLayer, reshape } from "./layers/reshape.js";
export { type RmsNormLayer, type RmsNormOptions, rmsNorm } from "./layers/rms-norm.js";
export { type SeparableConv2dLayer, type SeparableConv2dOptions, separableConv2d } from "./layers/separable-conv2d.js";
export { type SimpleRnnLayer, type SimpleRnnOptions, simpleRnn } from "./layers/simple-rnn.js";
export { type TimeDistributedLayer, type TimeDistributedOptions, timeDistributed } from "./layers/time-distributed.js";
export { type Upsample2dLayer, type Upsample2dOptions, upsample2d } from "./layers/upsample2d.js";
export type { Padding, Padding1d, Size } from "./layers/window-options.js";
export { type BinaryCrossEntropyOptions, binaryCrossEntropy } from "./losses/binary-cross-entropy.js";
export { hinge } from "./losses/hinge.js";
export { huber } from "./losses/huber.js";
export { klDivergence } from "./losses/kl-divergence.js";
export type { Loss, Targets } from "./losses/loss.js";
export { meanAbsoluteError } from "./losses/mean-absolute-error.js";
export { meanSquaredError } from "./losses/mean-squared-error.js";
export { softmaxCrossEntropy } from "./losses/softmax-cross-entropy.js";
export type { ClassOptions } from "./losses/targets.js";
export {
  accuracy,
  auc,
  confusionMatrix,
  f1,
  type Metric,
  type MetricFunction,
  type MetricInput,
  type MetricName,
  precision,
  r2,
  recall,
} from "./metrics.js";
export { Model, type ModelOptions } from "./model.js";
export type { Json } from "./model-file/json.js";
export type { LayerFunctions } from "./model-file/layers.js";
export { type LoadedModel, type LoadModelOptions, type LoadTrainerOptions, loadModel } from "./model-file/load.js";
export { type SaveModelOptions, saveModel } from "./model-file/save.js";
export { type PackedModel, packModel } from "./packed-model.js";
export type { PlanBuilder } from "./plan-builder.js";
export {
  batches,
  fitStandardizer,
  oneHot,
  type SplitOptions,
  type Standardizer,
  type StandardizerState,
  type StreamRow,
  splitRows,
  standardizer,
} from "./preprocessing.js";
export { multiply, type Product } from "./products.js";
export type { MetricValues } from "./recorder.js";
export { Sequential, type SequentialOptions } from "./sequential.js";
export { input, type SymbolicTensor } from "./symbolic.js";
export {
  type BackwardOptions,
  type Dataset,
  type EvaluateOptions,
  type Evaluation,
  type ModelOptimizer,
  Trainer,
  type TrainerOptions,
  type TrainerState,
} from "./trainer.js";
export type { Address, Argument, RunArgument, Value } from "./value.js";

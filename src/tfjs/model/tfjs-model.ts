import type { Optimizer as TfOptimizer, Tensor as TfTensor, Variable } from "@tensorflow/tfjs-core";
import type { Shape } from "../../tensor.js";

// What Lanewise uses of the models of @tensorflow/tfjs-layers, a package that it never imports.

/** A tensor between layers, with the batch as its first axis. */
export interface TfSymbol {
  readonly shape: readonly (number | null)[];
  readonly sourceLayer: TfLayer;
  /** Which application of the layer it is an output of, and which output. */
  readonly nodeIndex: number;
  readonly tensorIndex: number;
}

export interface TfWeight {
  readonly originalName: string;
  read(): Variable;
}

export type TfConfig = Readonly<Record<string, unknown>>;

export interface TfLayer {
  readonly name: string;
  readonly inboundNodes: readonly { readonly inputTensors: readonly TfSymbol[] }[];
  readonly weights: readonly TfWeight[];
  getClassName(): string;
  getConfig(): TfConfig;
  /** Of SeparableConv2D. */
  readonly depthMultiplier?: number;
  /** Of TimeDistributed. */
  readonly layer?: TfLayer;
  /** Of Bidirectional. */
  readonly forwardLayer?: TfLayer;
  readonly backwardLayer?: TfLayer;
}

/** A model, which may be a layer of another. */
export interface TfContainer extends TfLayer {
  readonly inputs: readonly TfSymbol[];
  readonly outputs: readonly TfSymbol[];
  readonly layers: readonly TfLayer[];
}

/** What the callbacks of `fit` are when it has understood its arguments. */
export interface TfCallback {
  setParams(params: object): void;
  setModel(model: object): void;
  onTrainBegin(logs: Logs): Promise<void>;
  onTrainEnd(logs: Logs): Promise<void>;
  onEpochBegin(epoch: number, logs: Logs): Promise<void>;
  onEpochEnd(epoch: number, logs: Logs): Promise<void>;
  onBatchBegin(batch: number, logs: Logs): Promise<void>;
  onBatchEnd(batch: number, logs: Logs): Promise<void>;
}

export type Logs = Record<string, number>;
/** Inputs, then targets, then weights of the rows, which may be absent. */
export type TfData = readonly (TfTensor | null | undefined)[];
/** Computes the loss and the metrics of a batch. */
export type TfFunction = (data: TfData) => TfTensor[];

/** The methods through which a model computes, whatever it was called by: those that are replaced. */
export interface Engine {
  makeTrainFunction(): TfFunction;
  makeTestFunction(): void;
  testLoop(f: TfFunction, ins: TfData, batchSize: number, verbose?: number, steps?: number): TfTensor[];
  predictLoop(ins: TfTensor | TfTensor[], batchSize?: number, verbose?: boolean): TfTensor | TfTensor[];
  fitLoop(...args: FitLoopArguments): Promise<object>;
}

export type FitLoopArguments = [
  f: TfFunction,
  ins: TfData,
  labels: string[],
  batchSize: number | undefined,
  epochs: number | undefined,
  verbose: number | undefined,
  callbacks: TfCallback[] | undefined,
  validate: TfFunction | null | undefined,
  validationIns: TfData | null | undefined,
  shuffle: boolean | string | undefined,
  callbackMetrics: string[],
  initialEpoch: number | undefined,
  stepsPerEpoch: number | null | undefined,
  validationSteps: number | null | undefined,
];

/** A `tf.LayersModel`. */
export interface TfModel extends TfContainer, Engine {
  readonly loss: unknown;
  readonly lossFunctions: readonly unknown[] | undefined;
  readonly metrics: unknown;
  readonly metricsTensors: readonly (readonly [metric: TfMetric, output: number])[];
  readonly outputNames: readonly string[];
  readonly optimizer: TfOptimizer | undefined;
  readonly collectedTrainableWeights: readonly TfWeight[];
  testFunction: TfFunction;
  stopTraining: boolean;
  history: object;
}

export type TfMetric = (truth: TfTensor, prediction: TfTensor) => TfTensor;

/** The methods of `Engine`, by which it is known that they are there. */
export const ENGINE_METHODS = [
  "makeTrainFunction",
  "makeTestFunction",
  "testLoop",
  "predictLoop",
  "fitLoop",
] as const satisfies readonly (keyof Engine)[];

export function isContainer(layer: TfLayer): layer is TfContainer {
  const { inputs, outputs, layers } = layer as Partial<TfContainer>;
  return Array.isArray(inputs) && Array.isArray(outputs) && Array.isArray(layers);
}

/** Why something of a model is left to TensorFlow.js. */
export class Unsupported extends Error {}

/** The shape of a row. Throws Unsupported if it is not fixed. */
export function rowShape({ shape }: TfSymbol): Shape {
  const row = shape.slice(1);
  if (row.some((size) => size === null)) throw new Unsupported(`a shape of [${shape}], which is not fixed`);
  return row as number[];
}

/**
 * What src/tfjs uses of TensorFlow.js 4.x, so that the package compiles without it. `npm run test:tfjs` compiles the same
 * files against its own types.
 */
declare module "@tensorflow/tfjs-core" {
  export type DataType = "float32" | "int32" | "bool" | "complex64" | "string";
  export interface TensorInfo {
    dataId: object;
    shape: number[];
    dtype: DataType;
  }
  export interface NamedTensorInfoMap {
    [name: string]: TensorInfo | undefined;
  }
  export interface NamedAttrMap {
    [name: string]: unknown;
  }
  type KernelFunc = (params: {
    inputs: NamedTensorInfoMap;
    backend: object;
    attrs?: NamedAttrMap;
  }) => TensorInfo | TensorInfo[];
  export interface KernelConfig {
    kernelName: string;
    backendName: string;
    kernelFunc: KernelFunc;
    setupFunc?: (backend: object) => void;
    disposeFunc?: (backend: object) => void;
  }
  export function getKernel(kernelName: string, backendName: string): KernelConfig;
  export function registerKernel(config: KernelConfig): void;
  export function unregisterKernel(kernelName: string, backendName: string): void;
  export interface GradConfig {
    kernelName: string;
    inputsToSave?: string[];
    saveAllInputs?: boolean;
    outputsToSave?: boolean[];
    gradFunc(dy: Tensor | Tensor[], saved: Tensor[], attrs: NamedAttrMap): { [input: string]: () => Tensor };
  }
  export function getGradient(kernelName: string): GradConfig | undefined;
  export function registerGradient(config: GradConfig): void;
  export function unregisterGradient(kernelName: string): void;
  export function ready(): Promise<void>;
  export namespace backend_util {
    type ExplicitPadding = [[number, number], [number, number], [number, number], [number, number]];
    interface Conv2DInfo {
      batchSize: number;
      inHeight: number;
      inWidth: number;
      inChannels: number;
      outHeight: number;
      outWidth: number;
      outChannels: number;
      strideHeight: number;
      strideWidth: number;
      dilationHeight: number;
      dilationWidth: number;
      filterHeight: number;
      filterWidth: number;
      padInfo: { top: number; left: number };
      outShape: [number, number, number, number];
    }
    function computeConv2DInfo(
      inShape: [number, number, number, number],
      filterShape: [number, number, number, number],
      strides: number | [number, number],
      dilations: number | [number, number],
      pad: "same" | "valid" | number | ExplicitPadding,
      roundingMode?: "floor" | "round" | "ceil",
      depthwise?: boolean,
    ): Conv2DInfo;
    function computePool2DInfo(
      inShape: [number, number, number, number],
      filterSize: number | [number, number],
      strides: number | [number, number],
      dilations: number | [number, number],
      pad: "same" | "valid" | number | ExplicitPadding,
      roundingMode?: "floor" | "round" | "ceil",
    ): Conv2DInfo;
    interface Conv3DInfo extends Omit<Conv2DInfo, "padInfo" | "outShape"> {
      inDepth: number;
      outDepth: number;
      filterDepth: number;
      strideDepth: number;
      padInfo: { front: number; top: number; bottom: number; left: number; right: number };
    }
    function computeConv3DInfo(
      inShape: [number, number, number, number, number],
      filterShape: [number, number, number, number, number],
      strides: number | [number, number, number],
      dilations: number | [number, number, number],
      pad: "same" | "valid",
    ): Conv3DInfo;
    function prepareSplitSize(x: Tensor, numOrSizeSplits: number | number[], axis?: number): number[];
    function decodeEinsumEquation(
      equation: string,
      numTensors: number,
    ): { allDims: string[]; summedDims: number[]; idDims: number[][] };
    function checkEinsumDimSizes(nDims: number, idDims: number[][], tensors: Tensor[]): void;
  }
  export namespace broadcast_util {
    function getReductionAxes(inShape: number[], outShape: number[]): number[];
  }
  export function add(a: Tensor, b: Tensor | number): Tensor;
  export function einsum(equation: string, ...tensors: Tensor[]): Tensor;
  export function mean(x: Tensor): Tensor;
  export function mul(a: Tensor, b: Tensor | number): Tensor;
  export function neg(x: Tensor): Tensor;
  export function reshape(x: Tensor, shape: number[]): Tensor;
  export function rsqrt(x: Tensor): Tensor;
  export function sub(a: Tensor, b: Tensor): Tensor;
  export function sum(x: Tensor, axis?: number[], keepDims?: boolean): Tensor;
  export function tidy<T extends Tensor | number>(f: () => T): T;
  export function tile(x: Tensor, reps: number[]): Tensor;
  export class Tensor {
    readonly shape: number[];
    readonly size: number;
    readonly dtype: string;
    readonly dataId: object;
    readonly id: number;
    readonly isDisposed: boolean;
    dataSync(): Float32Array | Int32Array | Uint8Array;
    data(): Promise<Float32Array | Int32Array | Uint8Array>;
    dispose(): void;
  }
  export class Variable extends Tensor {
    name: string;
    trainable: boolean;
    assign(newValue: Tensor): void;
  }
  export type Scalar = Tensor;
  interface NamedTensor {
    name: string;
    tensor: Tensor;
  }
  export type NamedTensorMap = { [name: string]: Tensor };
  export class KernelBackend {
    epsilon(): number;
  }
  interface Engine {
    readonly registeredVariables: { [name: string]: Variable };
    readonly state: { readonly gradientDepth: number };
    runKernel(kernelName: string, inputs: NamedTensorMap, attrs?: NamedAttrMap): Tensor | Tensor[];
    makeTensorFromTensorInfo(info: TensorInfo, backend?: KernelBackend): Tensor;
  }
  export function backend(): KernelBackend;
  export function engine(): Engine;
  export function getBackend(): string;
  export function tensor(values: Float32Array | Int32Array, shape?: number[], dtype?: "float32" | "int32"): Tensor;
  export function variable(initialValue: Tensor, trainable?: boolean, name?: string): Variable;
  export function zeros(shape: number[]): Tensor;
  export namespace serialization {
    type ConfigDict = { [key: string]: ConfigDictValue };
    type ConfigDictValue = boolean | number | string | null | ConfigDictArray | ConfigDict;
    interface ConfigDictArray extends Array<ConfigDictValue> {}
    type SerializableConstructor<T extends Serializable> = {
      // biome-ignore lint/suspicious/noExplicitAny: its constructor takes whatever its class wants
      new (...args: any[]): T;
      className: string;
      fromConfig: FromConfigMethod<T>;
    };
    type FromConfigMethod<T extends Serializable> = (cls: SerializableConstructor<T>, config: ConfigDict) => T;
    abstract class Serializable {
      static fromConfig<T extends Serializable>(cls: SerializableConstructor<T>, config: ConfigDict): T;
      getClassName(): string;
      abstract getConfig(): ConfigDict;
    }
    function registerClass<T extends Serializable>(cls: SerializableConstructor<T>): SerializableConstructor<T>;
  }
  export abstract class Optimizer extends serialization.Serializable {
    protected iterations_: number;
    readonly iterations: number;
    minimize(f: () => Scalar, returnCost?: boolean, varList?: Variable[]): Scalar | null;
    computeGradients(f: () => Scalar, varList?: Variable[]): { value: Scalar; grads: NamedTensorMap };
    abstract applyGradients(variableGradients: NamedTensorMap | NamedTensor[]): void;
    dispose(): void;
    getWeights(): Promise<NamedTensor[]>;
    setWeights(weightValues: NamedTensor[]): Promise<void>;
  }
}

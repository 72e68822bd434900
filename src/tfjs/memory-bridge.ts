import { backend, engine, getBackend, type Tensor as TfTensor, tensor, type Variable } from "@tensorflow/tfjs-core";
import { embeddedWasm } from "../backend/wasm/embedded.js";
import { type Core, createCoreSyncFrom } from "../core.js";
import { Tensor } from "../tensor.js";
import { heapOf, type WasmHeap } from "./wasm-heap.js";

/** Connects an optimizer's core with TensorFlow.js: how tensors of the core get the values of variables and gradients. */
export interface MemoryBridge {
  readonly core: Core;
  /** Whether windows are the variables' own memory. */
  readonly inPlace: boolean;
  /** For the reader: where the step runs, and what is copied. */
  readonly path: string;
  /** A tensor of the core for a variable or gradient of this size. */
  open(size: number): Tensor;
  close(window: Tensor): void;
  /** Makes a tensor of the core's own one that `open` could have returned; its values do not matter. */
  adopt(tensor: Tensor): void;
  /** Gives the window a gradient's values. */
  readGradient(gradient: TfTensor, window: Tensor): void;
  /** Gives the window a variable's values, which nobody else then shares. */
  readVariable(source: Variable, window: Tensor): void;
  /** After the window's values have changed: gives them to the variable. */
  writeVariable(target: Variable, window: Tensor): void;
  /** A tensor of TensorFlow.js that takes no room beside `values`, of its size; its values do not matter. */
  placeholder(shape: number[], values: Float32Array): TfTensor;
}

const bridges = new WeakMap<object, MemoryBridge>();
/** One for all backends that are copied from. */
let ownCore: Core | undefined;

/** The bridge to the backend that TensorFlow.js uses now. */
export function currentBridge(): MemoryBridge {
  const current = backend();
  let bridge = bridges.get(current);
  if (bridge === undefined) {
    const heap = heapOf(current);
    bridge = typeof heap === "string" ? new Copies(heap) : new Windows(heap);
    bridges.set(current, bridge);
  }
  return bridge;
}

/** On the wasm backend gradients and variables are used in place, and the state is beside them. */
class Windows implements MemoryBridge {
  readonly inPlace = true;
  readonly core: Core;
  readonly path: string;
  readonly #heap: WasmHeap;

  constructor(heap: WasmHeap) {
    this.#heap = heap;
    this.core = heap.core;
    this.path = `${getBackend()}: ${this.core.variant} kernels in TensorFlow.js's own heap, nothing is copied`;
  }

  open(size: number): Tensor {
    return new Tensor(this.core, [size], 0);
  }

  close(window: Tensor): void {
    window.moveTo(0); // the memory there is not ours
  }

  adopt(tensor: Tensor): void {
    tensor.dispose();
  }

  readGradient(gradient: TfTensor, window: Tensor): void {
    window.moveTo(this.#heap.address(gradient));
  }

  readVariable(source: Variable, window: Tensor): void {
    // Clones share their data, and so may a gradient: who changes it takes a copy.
    if (this.#heap.sharers(source) > 1) assign(source, source.dataSync() as Float32Array);
    window.moveTo(this.#heap.address(source));
  }

  writeVariable(target: Variable): void {
    this.#heap.forgetPacked(target);
  }

  placeholder(shape: number[]): TfTensor {
    return engine().makeTensorFromTensorInfo(this.#heap.output(shape, "float32", this.#heap.allocate(4)));
  }
}

/** On any other backend numbers are read from it and written to it, and the state is in a core of its own. */
class Copies implements MemoryBridge {
  readonly inPlace = false;
  readonly core: Core;
  readonly path: string;

  /** `reason`: why the heap of a wasm backend is not used. */
  constructor(reason: string) {
    ownCore ??= createCoreSyncFrom(embeddedWasm);
    this.core = ownCore;
    const why = reason === "" ? "" : `; ${reason}`;
    this.path = `${getBackend()}: ${ownCore.variant} kernels, gradients and variables are copied${why}`;
  }

  open(size: number): Tensor {
    return this.core.tensor([size]);
  }

  close(window: Tensor): void {
    window.dispose();
  }

  adopt(): void {}

  readGradient(gradient: TfTensor, window: Tensor): void {
    window.data.set(gradient.dataSync());
  }

  readVariable(source: Variable, window: Tensor): void {
    window.data.set(source.dataSync());
  }

  writeVariable(target: Variable, window: Tensor): void {
    // A new array: the old one may be in the hands of others, the cpu backend hands out its own.
    assign(target, window.data.slice());
  }

  placeholder(shape: number[], values: Float32Array): TfTensor {
    return tensor(values, shape, "float32");
  }
}

/** Gives the variable these numbers: new memory, so that what others have of it stays as it is. */
export function assign(target: Variable, values: Float32Array): void {
  const fresh = tensor(values, target.shape, "float32");
  target.assign(fresh);
  fresh.dispose();
}

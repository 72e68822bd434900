import { backend, engine, getBackend, type Tensor as TfTensor, tensor, type Variable } from "@tensorflow/tfjs-core";
import { embeddedWasm } from "../backend/wasm/embedded.js";
import { type Core, createCoreSyncFrom } from "../core.js";
import { Tensor } from "../tensor.js";

/** Where the optimizers of a TensorFlow.js backend work: a core, and the way from its tensors to the backend's. */
export interface Place {
  readonly core: Core;
  /** For the reader: where the step runs, and what is copied. */
  readonly path: string;
  /** A tensor of the core that stands for variables or gradients of this size. */
  open(size: number): Tensor;
  close(window: Tensor): void;
  /** Makes the window hold a gradient. */
  readGradient(gradient: TfTensor, window: Tensor): void;
  /** Makes the window hold a variable, which nobody else then shares. */
  readVariable(source: Variable, window: Tensor): void;
  /** After the window's content has changed: the variable holds it. */
  writeVariable(target: Variable, window: Tensor): void;
  /** A tensor of TensorFlow.js that takes no room beside `values`, of its size; what it holds is of no account. */
  placeholder(shape: number[], values: Float32Array): TfTensor;
}

/** What is used of the wasm backend. */
interface WasmBackend {
  readonly dataIdMap: { get(dataId: object): WasmData };
  readonly wasm: {
    readonly asm?: { readonly memory?: WebAssembly.Memory };
    readonly wasmMemory?: WebAssembly.Memory;
    readonly tfjs: { registerTensor(id: number, size: number, address: number): void; disposeData(id: number): void };
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
  makeOutput(shape: number[], dtype: string, address: number): { dataId: object; shape: number[]; dtype: "float32" };
}

interface WasmData {
  readonly id: number;
  readonly memoryOffset: number;
  readonly refCount: number;
}

const places = new WeakMap<object, Place>();
/** One for all backends that are copied from. */
let ownCore: Core | undefined;

/** The place of the backend that TensorFlow.js uses now. */
export function currentPlace(): Place {
  const current = backend();
  let place = places.get(current);
  if (place === undefined) {
    place = placeOf(current as unknown as Partial<WasmBackend>);
    places.set(current, place);
  }
  return place;
}

function placeOf(current: Partial<WasmBackend>): Place {
  const { wasm, dataIdMap, makeOutput } = current;
  if (dataIdMap === undefined || wasm === undefined || makeOutput === undefined) return new Copies("");
  const memory = wasm.wasmMemory ?? wasm.asm?.memory;
  if (memory === undefined) return new Copies("; its heap is not to be found");
  try {
    return new Heap(current as WasmBackend, memory);
  } catch (error) {
    return new Copies(`; its heap cannot be worked in: ${error instanceof Error ? error.message : error}`);
  }
}

/** The heap of the wasm backend: gradients and variables are used where they are, and the state lies beside them. */
class Heap implements Place {
  readonly core: Core;
  readonly path: string;
  readonly #backend: WasmBackend;

  constructor(backend: WasmBackend, memory: WebAssembly.Memory) {
    const { wasm } = backend;
    this.#backend = backend;
    this.core = createCoreSyncFrom(embeddedWasm, {
      memory: {
        attach: memory,
        allocate: (bytes) => wasm._malloc(bytes) >>> 0,
        free: (address) => wasm._free(address),
      },
    });
    this.path = `${getBackend()}: ${this.core.variant} kernels in TensorFlow.js's own heap, nothing is copied`;
  }

  open(size: number): Tensor {
    return new Tensor(this.core, [size], 0);
  }

  close(window: Tensor): void {
    window.moveTo(0); // what lies there is not ours
  }

  readGradient(gradient: TfTensor, window: Tensor): void {
    window.moveTo(this.#backend.dataIdMap.get(gradient.dataId).memoryOffset);
  }

  readVariable(source: Variable, window: Tensor): void {
    // Clones share their data, and so may a gradient: who changes it takes a copy.
    if (this.#backend.dataIdMap.get(source.dataId).refCount > 1) assign(source, source.dataSync() as Float32Array);
    window.moveTo(this.#backend.dataIdMap.get(source.dataId).memoryOffset);
  }

  writeVariable(target: Variable): void {
    // XNNPACK keeps weights that it has packed, by their id; it forgets them with the id.
    const { id, memoryOffset } = this.#backend.dataIdMap.get(target.dataId);
    const { tfjs } = this.#backend.wasm;
    tfjs.disposeData(id);
    tfjs.registerTensor(id, target.size, memoryOffset);
  }

  placeholder(shape: number[]): TfTensor {
    const address = this.#backend.wasm._malloc(4) >>> 0;
    return engine().makeTensorFromTensorInfo(this.#backend.makeOutput(shape, "float32", address));
  }
}

/** Any other backend: numbers are read from it and written to it, and the state lies in a core of its own. */
class Copies implements Place {
  readonly core: Core;
  readonly path: string;

  constructor(reason: string) {
    ownCore ??= createCoreSyncFrom(embeddedWasm);
    this.core = ownCore;
    this.path = `${getBackend()}: ${ownCore.variant} kernels, gradients and variables are copied${reason}`;
  }

  open(size: number): Tensor {
    return this.core.tensor([size]);
  }

  close(window: Tensor): void {
    window.dispose();
  }

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

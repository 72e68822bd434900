import { type DataType, getKernel, type TensorInfo } from "@tensorflow/tfjs-core";
import { embeddedWasm } from "../backend/wasm/embedded.js";
import { type Core, createCoreSyncFrom } from "../core.js";

/** What Lanewise uses of the wasm backend. */
interface WasmBackend {
  readonly dataIdMap: { get(dataId: object): WasmData };
  readonly wasm: {
    readonly asm?: { readonly memory?: WebAssembly.Memory };
    readonly wasmMemory?: WebAssembly.Memory;
    readonly tfjs: { registerTensor(id: number, size: number, address: number): void; disposeData(id: number): void };
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
  makeOutput(shape: number[], dtype: DataType, address?: number): TensorInfo;
  disposeData(dataId: object): boolean;
  incRef(dataId: object): void;
}

interface WasmData {
  readonly id: number;
  readonly memoryOffset: number;
  readonly refCount: number;
}

/** The heap of TensorFlow.js's wasm backend, and a core whose kernels run in it. */
export class WasmHeap {
  readonly core: Core;
  readonly #backend: WasmBackend;

  /** @throws BackendError where Wasm SIMD cannot run */
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
  }

  /** Where the tensor's elements begin, in bytes. */
  address({ dataId }: { dataId: object }): number {
    return this.#backend.dataIdMap.get(dataId).memoryOffset;
  }

  /** How many tensors share these elements. */
  sharers({ dataId }: { dataId: object }): number {
    return this.#backend.dataIdMap.get(dataId).refCount;
  }

  /** A new tensor, whose elements are not initialized; with an address, one that owns what was allocated there. */
  output(shape: number[], dtype: DataType = "float32", address?: number): TensorInfo {
    return this.#backend.makeOutput(shape, dtype, address);
  }

  /** The same elements in another shape, not copied. */
  share({ dataId, dtype }: TensorInfo, shape: number[]): TensorInfo {
    this.#backend.incRef(dataId);
    return { dataId, shape, dtype };
  }

  /** Runs a kernel as TensorFlow.js would now. */
  call(kernel: string, inputs: { [name: string]: TensorInfo }, attrs: object = {}): TensorInfo {
    const { kernelFunc } = getKernel(kernel, "wasm");
    return kernelFunc({ inputs, attrs: attrs as never, backend: this.#backend }) as TensorInfo;
  }

  /** Frees a tensor that `output`, `share` or `call` returned. */
  dispose({ dataId }: TensorInfo): void {
    this.#backend.disposeData(dataId);
  }

  /** XNNPACK keeps weights that it has packed, by their id; it forgets them with the id. */
  forgetPacked({ dataId, size }: { dataId: object; size: number }): void {
    const { id, memoryOffset } = this.#backend.dataIdMap.get(dataId);
    const { tfjs } = this.#backend.wasm;
    tfjs.disposeData(id);
    tfjs.registerTensor(id, size, memoryOffset);
  }

  allocate(bytes: number): number {
    return this.#backend.wasm._malloc(bytes) >>> 0;
  }
}

const heaps = new WeakMap<object, WasmHeap | string>();

/** The heap of a backend of TensorFlow.js; or why Lanewise cannot work in it, empty if it is no wasm backend. */
export function heapOf(backend: object): WasmHeap | string {
  let heap = heaps.get(backend);
  if (heap === undefined) {
    heap = attach(backend);
    heaps.set(backend, heap);
  }
  return heap;
}

function attach(backend: Partial<WasmBackend>): WasmHeap | string {
  const { wasm, dataIdMap, makeOutput } = backend;
  if (dataIdMap === undefined || wasm === undefined || makeOutput === undefined) return "";
  const memory = wasm.wasmMemory ?? wasm.asm?.memory;
  if (memory === undefined) return "its heap is not to be found";
  try {
    return new WasmHeap(backend as WasmBackend, memory);
  } catch (error) {
    return `its heap cannot be used: ${error instanceof Error ? error.message : error}`;
  }
}

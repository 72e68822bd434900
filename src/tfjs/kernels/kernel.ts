import type { GradConfig, TensorInfo } from "@tensorflow/tfjs-core";
import { type ConvKernels, convFamily } from "../../backend/families/conv.js";
import { type CoreKernels, coreFamily } from "../../backend/families/core.js";
import { type EmbeddingKernels, embeddingFamily } from "../../backend/families/embedding.js";
import { type NetworkKernels, nnFamily } from "../../backend/families/nn.js";
import { type NormKernels, normFamily } from "../../backend/families/norm.js";
import { type PoolKernels, poolFamily } from "../../backend/families/pool.js";
import { type ReduceKernels, reduceFamily } from "../../backend/families/reduce.js";
import type { WasmHeap } from "../wasm-heap.js";
import { type PlannedWindow, Windows } from "./window.js";

/** Tensors by the names that TensorFlow.js's kernel gives them; what is optional may be absent or null. */
export type Inputs = { readonly [name: string]: TensorInfo | null | undefined };

/** A kernel of TensorFlow.js, computed by Lanewise's. */
export interface TfKernel {
  /** TensorFlow.js's name. */
  readonly name: string;
  /** The result; undefined leaves the call to TensorFlow.js, for another type of elements or another shape. */
  run(inputs: Inputs, attrs: object, context: KernelContext): TensorInfo | TensorInfo[] | undefined;
  readonly gradient?: TfGradient;
}

/**
 * A gradient in place of TensorFlow.js's, or where it has none. It gets what TensorFlow.js's saves; one of its own says
 * what that is.
 */
export interface TfGradient extends Omit<GradConfig, "kernelName"> {
  /** The kernel whose gradient it is. */
  readonly of: string;
}

/** What the kernels of one backend share: its heap and Lanewise's kernels in it. */
export class KernelContext {
  readonly heap: WasmHeap;
  readonly windows: Windows;
  readonly core: CoreKernels;
  readonly conv: ConvKernels;
  readonly reduce: ReduceKernels;
  readonly embedding: EmbeddingKernels;
  readonly nn: NetworkKernels;
  readonly norm: NormKernels;
  readonly pool: PoolKernels;

  /** @throws BackendError where a family of kernels cannot be compiled */
  constructor(heap: WasmHeap) {
    const { core } = heap;
    this.heap = heap;
    this.windows = new Windows(core);
    this.core = core.kernels(coreFamily);
    this.conv = core.kernels(convFamily);
    this.reduce = core.kernels(reduceFamily);
    this.embedding = core.kernels(embeddingFamily);
    this.nn = core.kernels(nnFamily);
    this.norm = core.kernels(normFamily);
    this.pool = core.kernels(poolFamily);
  }
}

/** The kernels that say how much scratch others need. */
type ScratchKernel = Extract<keyof ConvKernels, `${string}_scratch_bytes`>;

/** Address of the scratch that a kernel needs for a window. */
export function scratchFor(kernel: ScratchKernel, window: PlannedWindow, { heap, conv }: KernelContext): number {
  let bytes = window.scratchBytes.get(kernel);
  if (bytes === undefined) {
    bytes = conv[kernel](window.ptr);
    window.scratchBytes.set(kernel, bytes);
  }
  return heap.core.scratch(bytes);
}

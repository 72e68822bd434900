import { ACTIVATION_IDENTITY, ACTIVATION_RELU, ACTIVATION_SIGMOID, ACTIVATION_TANH } from "../abi/activation.js";
import type { CoreKernels } from "./families/core.js";
import type { KernelFamily } from "./family.js";

/** Numbers of the activations, by name. */
export const ACTIVATION = {
  identity: ACTIVATION_IDENTITY,
  relu: ACTIVATION_RELU,
  tanh: ACTIVATION_TANH,
  sigmoid: ACTIVATION_SIGMOID,
} as const;

/** @see ACTIVATION */
export type Activation = keyof typeof ACTIVATION;

/** A growable block of bytes. After `grow` returns true, `buffer` is another object and old views are stale. */
export interface LinearMemory {
  readonly buffer: ArrayBufferLike;
  /** Grows to at least `bytes` in all; false if that is impossible; nothing has then changed. */
  grow(bytes: number): boolean;
}

/** CoreKernels of a family at work, and the module they were instantiated from where it is Wasm. */
export interface LoadedFamily<K> {
  readonly kernels: K;
  readonly module?: WebAssembly.Module;
}

/** What was chosen to compute with. */
export interface Backend {
  readonly name: "wasm" | "js";
  readonly variant: string;
  readonly reason: string;
  readonly kernels: CoreKernels;
  readonly memory: LinearMemory;
  /** Another family over the same memory. Throws where its binary cannot be compiled. */
  load<K>(family: KernelFamily<K>): LoadedFamily<K>;
}

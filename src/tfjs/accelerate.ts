import {
  backend,
  engine,
  type GradConfig,
  getBackend,
  getGradient,
  getKernel,
  type KernelConfig,
  ready,
  registerGradient,
  registerKernel,
  unregisterGradient,
  unregisterKernel,
} from "@tensorflow/tfjs-core";
import { checkKeys, unexpected } from "../checks.js";
import { BackendError } from "../errors.js";
import type { Inputs, KernelContext, TfGradient, TfKernel } from "./kernels/kernel.js";
import { heapOf, type WasmHeap } from "./wasm-heap.js";

/** Options of `accelerate`. */
export interface AccelerateOptions {
  /** Names of TensorFlow.js's kernels that stay as they are. Default: none. */
  except?: readonly string[];
}

/** What `accelerate` did. */
export interface Acceleration {
  /** Kernels of TensorFlow.js's wasm backend in whose place Lanewise's run. */
  readonly replaced: readonly string[];
  /** Kernels that the wasm backend lacks. */
  readonly added: readonly string[];
  /** Kernels that stay as they were, and why. */
  readonly left: { readonly [kernel: string]: string };
  /** Takes everything back. */
  restore(): void;
}

let current: Acceleration | undefined;

/**
 * Registers Lanewise's kernels in TensorFlow.js's wasm backend: products, gathering, segment sums, reductions and others
 * that training needs run several times faster, and convolutions and embeddings can be trained at all. The kernels work
 * in TensorFlow.js's heap, on its tensors; nothing is copied. What they do not compute (elements other than float32, most
 * of all) goes to TensorFlow.js's own kernels.
 *
 * Numerics: results differ from TensorFlow.js's in the last bits. They are the same in every browser.
 *
 * @returns what was replaced and added, and what was left and why; the same object until `restore()`
 * @throws BackendError if the backend is another than wasm, OptionError
 * @example
 * await tf.setBackend("wasm");
 * const { added } = await accelerate();
 * await model.fit(x, y);
 */
export async function accelerate(options: AccelerateOptions = {}): Promise<Acceleration> {
  checkKeys("options", options, ["except"]);
  const { except = [] } = options;
  if (!Array.isArray(except)) throw unexpected("except", except, "an array of names of kernels");
  await ready();
  if (getBackend() !== BACKEND) {
    throw new BackendError(`the backend is "${getBackend()}", expected "wasm": call tf.setBackend("wasm") first`);
  }
  const { KERNELS, KernelContext, LEFT } = await import("./kernels/tfjs-kernels.js");
  const unknown = except.find((name) => !KERNELS.some((kernel) => kernel.name === name));
  if (unknown !== undefined) {
    throw unexpected("except", unknown, `names among ${KERNELS.map(({ name }) => `"${name}"`).join(", ")}`);
  }
  current ??= register(KERNELS, LEFT, except, contexts(KernelContext));
  return current;
}

const BACKEND = "wasm";

/** The context of each backend that has been used, or why there is none. */
function contexts(Context: new (heap: WasmHeap) => KernelContext): (backend: object) => KernelContext | string {
  const known = new WeakMap<object, KernelContext | string>();
  let last: object | undefined;
  let lastContext: KernelContext | string;
  return (current) => {
    if (current === last) return lastContext;
    let context = known.get(current);
    if (context === undefined) {
      const heap = heapOf(current);
      context = typeof heap === "string" ? heap : new Context(heap);
      known.set(current, context);
    }
    last = current;
    lastContext = context;
    return context;
  };
}

function register(
  kernels: readonly TfKernel[],
  others: Acceleration["left"],
  except: readonly string[],
  contextOf: (backend: object) => KernelContext | string,
): Acceleration {
  const context = contextOf(backend());
  const left: { [kernel: string]: string } = { ...others };
  const registered = kernels.filter(({ name }) => {
    if (except.includes(name)) left[name] = "it is among options.except";
    else if (typeof context === "string") left[name] = context;
    return left[name] === undefined;
  });
  const replacements = registered.map((kernel) => {
    const theirs = getKernel(kernel.name, BACKEND) as KernelConfig | undefined;
    if (theirs !== undefined) unregisterKernel(kernel.name, BACKEND);
    registerKernel(configOf(kernel, theirs, contextOf));
    return { name: kernel.name, theirs };
  });
  const gradients = registered.flatMap(({ gradient }) => {
    if (gradient === undefined) return [];
    const theirs = getGradient(gradient.of);
    registerGradient(gradientConfigOf(gradient, theirs));
    return [{ name: gradient.of, theirs }];
  });
  return {
    replaced: replacements.filter(({ theirs }) => theirs !== undefined).map(({ name }) => name),
    added: replacements.filter(({ theirs }) => theirs === undefined).map(({ name }) => name),
    left,
    restore() {
      if (current !== this) return;
      for (const { name, theirs } of replacements) {
        unregisterKernel(name, BACKEND);
        if (theirs !== undefined) registerKernel(theirs);
      }
      for (const { name, theirs } of gradients) {
        unregisterGradient(name);
        if (theirs !== undefined) registerGradient(theirs);
      }
      current = undefined;
    },
  };
}

/** Ours for TensorFlow.js's registry; what it does not compute goes to theirs. */
function configOf(
  kernel: TfKernel,
  theirs: KernelConfig | undefined,
  contextOf: (backend: object) => KernelContext | string,
): KernelConfig {
  const { name } = kernel;
  return {
    ...theirs,
    kernelName: name,
    backendName: BACKEND,
    kernelFunc(params) {
      const context = contextOf(params.backend);
      if (typeof context !== "string") {
        const result = kernel.run(params.inputs as Inputs, params.attrs!, context);
        if (result !== undefined) return result;
      }
      if (theirs !== undefined) return theirs.kernelFunc(params);
      const types = Object.values(params.inputs).map((input) => input?.dtype);
      throw new BackendError(`${name} of ${types.join(" and ")} is not available on the wasm backend`);
    },
  };
}

/**
 * Ours on the wasm backend: the registry of gradients is one for all. While a tape records a gradient, for a gradient of
 * the gradient, it is theirs, which consists of operations that have one.
 */
function gradientConfigOf({ of, ...ours }: TfGradient, theirs: GradConfig | undefined): GradConfig {
  if (theirs === undefined) return { kernelName: of, ...ours };
  return {
    ...theirs,
    gradFunc(dy, saved, attrs) {
      const isOurs = getBackend() === BACKEND && engine().state.gradientDepth === 0;
      return (isOurs ? ours : theirs).gradFunc(dy, saved, attrs);
    },
  };
}

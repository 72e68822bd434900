import type { Kernels, LinearMemory } from "../backend.js";
import { gemmKernels } from "./gemm/gemm.js";
import { accumulateKernels } from "./optim/accumulate.js";
import { adamKernels } from "./optim/adam.js";
import { measureKernels } from "./optim/condition.js";
import { rmspropKernels } from "./optim/rmsprop.js";
import { sgdKernels } from "./optim/sgd.js";
import { Views } from "./views.js";

/** The kernels in JavaScript: the readable reference and the fallback. */
export function createJsKernels(memory: LinearMemory): Kernels {
  const views = new Views(memory);
  return {
    ...gemmKernels(views),
    ...accumulateKernels(views),
    ...measureKernels(views),
    ...rmspropKernels(views),
    ...adamKernels(views),
    ...sgdKernels(views),
  };
}

import type { Kernels, LinearMemory } from "../backend.js";
import { gemmKernels } from "./gemm/gemm.js";
import { activationKernels } from "./nn/activation.js";
import { columnSumsKernels } from "./nn/column-sums.js";
import { dropoutKernels } from "./nn/dropout.js";
import { lossKernels } from "./nn/loss.js";
import { rmspropKernels } from "./optim/rmsprop.js";
import { sgdKernels } from "./optim/sgd.js";
import { Views } from "./views.js";

/** The kernels in JavaScript: the readable reference and the fallback. */
export function createJsKernels(memory: LinearMemory): Kernels {
  const views = new Views(memory);
  return {
    ...gemmKernels(views),
    ...activationKernels(views),
    ...columnSumsKernels(views),
    ...dropoutKernels(views),
    ...lossKernels(views),
    ...rmspropKernels(views),
    ...sgdKernels(views),
  } as unknown as Kernels;
}

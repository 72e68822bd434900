import type { LinearMemory, NetworkKernels } from "../../backend.js";
import { Views } from "../views.js";
import { activationKernels } from "./activation.js";
import { dropoutKernels } from "./dropout.js";
import { lossKernels } from "./loss.js";

/** The network kernels in JavaScript: the readable reference and the fallback. */
export function createJsNetworkKernels(memory: LinearMemory): NetworkKernels {
  const views = new Views(memory);
  return { ...activationKernels(views), ...dropoutKernels(views), ...lossKernels(views) };
}

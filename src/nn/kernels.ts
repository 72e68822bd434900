import type { NetworkKernels } from "../backend/backend.js";
import { createJsNetworkKernels } from "../backend/js/nn/kernels.js";
import { hex as nn } from "../backend/wasm/binaries/nn.js";
import type { Core } from "../core.js";

const kernelsOfCores = /* @__PURE__ */ new WeakMap<Core, NetworkKernels>();

/** The network kernels over a core's memory, on its backend; made when first asked for. */
export function networkKernels(core: Core): NetworkKernels {
  let kernels = kernelsOfCores.get(core);
  if (kernels === undefined) {
    kernels = core.load ? (core.load(nn) as unknown as NetworkKernels) : createJsNetworkKernels(core.linearMemory);
    kernelsOfCores.set(core, kernels);
  }
  return kernels;
}

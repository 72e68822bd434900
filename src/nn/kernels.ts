import { ACTIVATION, type NetworkKernels } from "../backend/backend.js";
import { createJsNetworkKernels } from "../backend/js/nn/kernels.js";
import { hex as nn } from "../backend/wasm/binaries/nn.js";
import type { Core } from "../core.js";

const kernelsOfCores = /* @__PURE__ */ new WeakMap<Core, NetworkKernels>();

/** The network kernels over a core's memory, on its backend; made when first asked for. */
export function networkKernels(core: Core): NetworkKernels {
  let kernels = kernelsOfCores.get(core);
  if (kernels === undefined) {
    kernels = core.load
      ? (core.load(nn, exerciseNetwork) as unknown as NetworkKernels)
      : createJsNetworkKernels(core.linearMemory);
    kernelsOfCores.set(core, kernels);
  }
  return kernels;
}

/** Runs every kernel once: a core in wide mode makes V8 widen what has run. */
export function exerciseNetwork(exports: WebAssembly.Exports): void {
  const kernels = exports as unknown as NetworkKernels;
  const [x, y, z, rows, columns] = [64, 65536, 131072, 128, 64];
  const count = rows * columns;
  for (const activation of Object.values(ACTIVATION)) {
    if (activation !== ACTIVATION.identity) kernels.activation_f32(activation, count, x, z);
    kernels.activation_backward_f32(activation, rows, columns, x, z, z, y);
  }
  kernels.dropout_f32(count, x, z, 1, 1 << 30, 2);
  kernels.softmax_cross_entropy_f32(rows, columns, x, y, 0, z);
  kernels.mean_squared_error_f32(count, x, y, z);
  kernels.binary_cross_entropy_f32(count, x, y, z);
  kernels.huber_f32(count, x, y, z, 1);
  kernels.count_correct_f32(rows, columns, x, y, 0, 0);
}

import type { TensorInfo } from "@tensorflow/tfjs-core";
import { ACTIVATION, type Activation } from "../../backend/backend.js";
import type { Inputs, KernelContext } from "./kernel.js";
import { isFloat32 } from "./shapes.js";

/** What TensorFlow.js's fused kernels say beside their operation. */
export interface FusedAttributes {
  readonly activation: string;
  readonly leakyreluAlpha?: number;
}

/** Activations that Lanewise's kernels compute themselves, by TensorFlow.js's names. */
const OWN: { readonly [name: string]: Activation } = { linear: "identity", relu: "relu", sigmoid: "sigmoid" };

/** Kernels of TensorFlow.js for the others, over what an operation returned. */
const THEIRS: { readonly [name: string]: string } = {
  elu: "Elu",
  relu6: "Relu6",
  leakyrelu: "LeakyRelu",
  prelu: "Prelu",
  relu: "Relu",
  sigmoid: "Sigmoid",
};

/**
 * activation(operation + bias). The operation itself adds a bias that is a vector, and applies what it can.
 *
 * @param columns length of the bias that the operation adds, by its address (0: none)
 * @param operation gets that address and the number of an activation; it returns undefined if it is unavailable
 */
export function fused(
  { bias, preluActivationWeights }: Inputs,
  { activation, leakyreluAlpha }: FusedAttributes,
  columns: number,
  { heap }: KernelContext,
  operation: (biasPtr: number, activation: number) => TensorInfo | undefined,
): TensorInfo | undefined {
  const own = OWN[activation];
  if (own === undefined && THEIRS[activation] === undefined) return undefined;
  const isVector = isFloat32(bias) && bias.shape.length === 1 && bias.shape[0] === columns;
  const isInside = own !== undefined && (bias == null || isVector);
  let y = operation(isVector ? heap.address(bias) : 0, isInside ? ACTIVATION[own] : ACTIVATION.identity);
  if (y === undefined) return undefined;
  if (bias != null && !isVector) y = replace(y, heap.call("Add", { a: y, b: bias }));
  if (isInside || activation === "linear") return y;
  const inputs = activation === "prelu" ? { x: y, alpha: preluActivationWeights! } : { x: y };
  return replace(y, heap.call(THEIRS[activation]!, inputs, { alpha: leakyreluAlpha }));

  function replace(old: TensorInfo, fresh: TensorInfo): TensorInfo {
    heap.dispose(old);
    return fresh;
  }
}

import type { TensorInfo } from "@tensorflow/tfjs-core";

/** The number of elements of a shape, or of its axes from `begin` to before `end`. */
export function sizeOf(shape: readonly number[], begin = 0, end = shape.length): number {
  let size = 1;
  for (let axis = begin; axis < end; axis++) size *= shape[axis]!;
  return size;
}

/** Whether a tensor is there and has float32 elements. */
export function isFloat32(tensor: TensorInfo | null | undefined): tensor is TensorInfo {
  return tensor != null && tensor.dtype === "float32";
}

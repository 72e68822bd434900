import { isFloat32Array, unexpected } from "../checks.js";
import { CheckpointError } from "../errors.js";
import { isRecord, type Parameter, type ParameterSet } from "../optim/parameters.js";
import { type Shape, Tensor } from "../tensor.js";
import type { StoredTensor } from "./safetensors.js";

/** Parameters by the names that an optimizer gives them: the key in a record, else the index. */
export function namedParameters(set: ParameterSet): Map<string, Parameter> {
  const single = set instanceof Tensor || isFloat32Array(set);
  if (!single && !Array.isArray(set) && !isRecord(set)) {
    throw unexpected("parameters", set, "a Tensor or Float32Array, an array of them, or a record of them by name");
  }
  const members = new Map<string, Parameter>(single ? [["0", set]] : Object.entries(set));
  for (const [name, value] of members) {
    if (value instanceof Tensor) value.assertLive(`parameters.${name}`);
    else if (!isFloat32Array(value)) throw unexpected(`parameters.${name}`, value, "a Tensor or Float32Array");
  }
  return members;
}

/** The elements, live. */
export function valuesOf(parameter: Parameter): Float32Array {
  return parameter instanceof Tensor ? parameter.data : parameter;
}

export function shapeOf(parameter: Parameter): Shape {
  return parameter instanceof Tensor ? parameter.shape : [parameter.length];
}

/** Throws CheckpointError unless the stored tensor can be the parameter's; a plain array takes any shape of its length. */
export function checkFits(name: string, { dtype, shape, data }: StoredTensor, parameter: Parameter): Float32Array {
  if (!isFloat32Array(data)) throw new CheckpointError(`"${name}" is of dtype ${dtype}, expected F32`);
  const expected = shapeOf(parameter);
  const same = parameter instanceof Tensor ? `${shape}` === `${expected}` : data.length === parameter.length;
  if (!same) throw new CheckpointError(`"${name}" has shape [${shape}], expected [${expected}]`);
  return data;
}

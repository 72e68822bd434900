import { cut, isFloat32Array, quote, unexpected } from "../checks.js";
import { CheckpointError, OptionError } from "../errors.js";
import {
  isRecord,
  nameParameters,
  type Parameter,
  type ParameterCopy,
  type ParameterSet,
  pathOf,
} from "../optim/parameters.js";
import { type Shape, Tensor } from "../tensor.js";
import type { StoredTensor } from "./safetensors.js";

/** What is saved and loaded of a network: its parameters, and its buffers, such as moving statistics. */
export interface ModelTensors {
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly buffers: Readonly<Record<string, Parameter>>;
}

/** A network, or parameters as an optimizer takes them: one, an array or a record of them, or groups `[{ params, … }]`. */
export type CheckpointParameters = ParameterSet | readonly (Group | GroupLiteral)[] | ModelTensors;

/** A group of whatever options; written out, the second accepts their names. */
interface Group {
  readonly params: ParameterSet;
}
interface GroupLiteral extends Group {
  readonly [option: string]: unknown;
}

/** Parameters by the names that an optimizer gives them: the key in a record, else the running index. */
export function namedParameters(parameters: CheckpointParameters): Map<string, Parameter> {
  const named = new Map<string, Parameter>();
  if (isModel(parameters)) return namedParameters({ ...parameters.parameters, ...parameters.buffers });
  const isSet = Array.isArray(parameters) || isRecord(parameters);
  if (isSet && Object.keys(parameters).length === 0) return named;
  const { groups } = nameParameters("parameters", parameters);
  for (const group of groups) {
    for (const parameter of group.parameters) {
      const { name, value } = parameter;
      if (value instanceof Tensor) value.assertLive(pathOf(parameter));
      else if (!isFloat32Array(value)) throw unexpected(pathOf(parameter), value, "a Tensor or Float32Array");
      if (named.has(name)) {
        throw new OptionError(`${pathOf(parameter)} has the name ${quote(name)}, which another parameter has too`);
      }
      named.set(name, value);
    }
  }
  return named;
}

function isModel(value: unknown): value is ModelTensors {
  return isRecord(value) && isRecord(value.parameters) && isRecord(value.buffers);
}

/** The elements, live. */
export function valuesOf(parameter: Parameter): Float32Array {
  return parameter instanceof Tensor ? parameter.data : parameter;
}

/** A plain array is flat, but for a copy that `averaged()` made. */
export function shapeOf(parameter: Parameter): Shape {
  if (parameter instanceof Tensor) return parameter.shape;
  const { shape } = parameter as Partial<ParameterCopy>;
  const isShape = Array.isArray(shape) && shape.reduce((size, dimension) => size * dimension, 1) === parameter.length;
  return isShape ? shape : [parameter.length];
}

/**
 * The elements of a stored tensor as a parameter's. Throws CheckpointError unless they can be; a plain array takes any
 * shape of its length. `convert`: float64 is rounded.
 */
export function checkFits(name: string, stored: StoredTensor, parameter: Parameter, convert = false): Float32Array {
  const { dtype, shape, data } = stored;
  const what = quote(name);
  const isDouble = dtype === "F64" && data instanceof Float64Array;
  if (!isFloat32Array(data) && !(isDouble && convert)) {
    const advice = isDouble ? ", or convert: true, which rounds" : "";
    throw new CheckpointError(`${what} is of dtype ${dtype}, expected F32, F16 or BF16${advice}`);
  }
  const expected = shapeOf(parameter);
  const same = parameter instanceof Tensor ? `${shape}` === `${expected}` : data.length === parameter.length;
  if (!same) throw new CheckpointError(`${what} has shape [${cut(`${shape}`)}], expected [${expected}]`);
  return isDouble ? round(what, data) : (data as Float32Array);
}

function round(what: string, doubles: Float64Array): Float32Array {
  const floats = Float32Array.from(doubles);
  const lost = doubles.findIndex((value, i) => Number.isFinite(value) && !Number.isFinite(floats[i]!));
  if (lost < 0) return floats;
  throw new CheckpointError(`${what} has ${doubles[lost]} at ${lost}, which is beyond the range of float32`);
}

import { isNumericArray, unexpected } from "../checks.js";
import type { Core } from "../core.js";
import { OptionError, ShapeError } from "../errors.js";
import { Tensor } from "../tensor.js";

/** Rows of numbers: a tensor [rows, width], or an array of rows · width numbers, row after row. */
export type Batch = Tensor | ArrayLike<number>;

/** The number of rows in `source`; throws unless it is made of rows of this width. */
export function readRows(name: string, source: Batch, core: Core, width: number): number {
  if (source instanceof Tensor) {
    source.assertLive(name);
    if (source.core !== core) throw new OptionError(`${name} belongs to another core than the model`);
    const { shape } = source;
    if (shape.length === 2 && shape[1] === width) return shape[0]!;
    if (shape.length === 1 && width === 1) return shape[0]!;
    throw new ShapeError(`${name} has shape [${shape}], expected [rows, ${width}]`);
  }
  if (!isNumericArray(source)) {
    throw unexpected(name, source, "a Tensor or an array of numbers");
  }
  if (Array.isArray(source)) {
    const bad = source.findIndex((value) => typeof value !== "number");
    if (bad >= 0)
      throw unexpected(`${name}[${bad}]`, source[bad], "a number: rows stand one after the other, not nested");
  }
  if (source.length % width !== 0) {
    throw new ShapeError(`${name} has ${source.length} elements, expected a multiple of ${width}, the width of a row`);
  }
  return source.length / width;
}

/** How targets are given: a value for each output, or (`indices`) one class index a row. */
export interface TargetLayout {
  readonly indices: boolean;
  readonly width: number;
}

/** Finds out how `targets` are given, and checks their number and, for indices, their values. */
export function readTargets(
  name: string,
  targets: Batch,
  core: Core,
  rows: number,
  columns: number,
  acceptsIndices: boolean,
  layouts: { values: TargetLayout; indices: TargetLayout },
): TargetLayout {
  const size = targets instanceof Tensor ? targets.size : (targets as ArrayLike<number> | undefined)?.length;
  if (acceptsIndices && size === rows && columns > 1) {
    readRows(name, targets, core, 1);
    const values = targets instanceof Tensor ? targets.data : targets;
    for (let i = 0; i < rows; i++) {
      const index = values[i]!;
      if (!(Number.isInteger(index) && index >= 0 && index < columns)) {
        throw unexpected(`${name}[${i}]`, index, `a class index from 0 to ${columns - 1}`);
      }
    }
    return layouts.indices;
  }
  if (readRows(name, targets, core, columns) !== rows) {
    const expected = acceptsIndices ? `${rows} class indices or ${rows * columns} values` : `${rows * columns} values`;
    throw new ShapeError(`${name} has ${size} elements for ${rows} rows of x, expected ${expected}`);
  }
  return layouts.values;
}

import { describe, detached, isDetached, isNumericArray, unexpected } from "../checks.js";
import type { Core } from "../core.js";
import { OptionError, ShapeError } from "../errors.js";
import { type Shape, sizeOf, Tensor } from "../tensor.js";
import type { Loss } from "./losses/loss.js";

/** Rows of numbers: a tensor [rows, ...shape], or an array of as many numbers, row after row. */
export type Batch = Tensor | ArrayLike<number>;

/** A batch; an array of its rows, each nested as deep as its shape; or, where a model has several, an array of batches. */
export type Rows = Batch | readonly Rows[];

/** Axes of a row at most, where no model says how many there are. */
export const MAX_AXES = 8;

/**
 * The numbers of nested rows, row after row; any other batch as it is. Each row has one of these widths, by default that
 * of the first, and is nested at most `depth` times.
 */
export function flatRows(name: string, batch: Rows, depth: number, ...widths: readonly number[]): Batch {
  if (!Array.isArray(batch) || !isNumericArray(batch[0])) return batch as Batch;
  const flat = (value: unknown, depth: number): unknown[] =>
    depth >= 0 && isNumericArray(value) ? Array.from(value).flatMap((each) => flat(each, depth - 1)) : [value];
  const rows = batch.map((row) => flat(row, depth) as number[]);
  const known = widths.length === 0 ? [rows[0]!.length] : widths;
  const bad = rows.findIndex(({ length }, i) => !(isNumericArray(batch[i]) && known.includes(length)));
  if (bad < 0) return rows.flat();
  const length = isNumericArray(batch[bad]) ? ` with ${rows[bad]!.length} elements` : "";
  throw new ShapeError(`${name}[${bad}] is ${describe(batch[bad])}${length}, expected a row of ${known[0]} elements`);
}

/** The shape of a row of a batch, and its elements. */
export interface RowShape {
  readonly shape: Shape;
  readonly size: number;
}

/** The number of rows in `source`; throws unless it is made of rows of this shape. */
export function readRows(name: string, source: Batch, core: Core, row: RowShape): number {
  const { shape: rowShape, size: width } = row;
  if (source instanceof Tensor) {
    source.assertLive(name);
    if (source.core !== core) throw new OptionError(`${name} belongs to another core than the model`);
    const { shape, size } = source;
    const isFlat = shape.length === 2 && shape[1] === width;
    if (isFlat || (shape.length === 1 && width === 1)) return shape[0]!;
    if (shape.length === rowShape.length + 1 && rowShape.every((length, i) => length === shape[i + 1])) {
      return size / width;
    }
    throw new ShapeError(`${name} has shape [${shape}], expected [${["rows", ...rowShape].join(", ")}]`);
  }
  if (!isNumericArray(source)) {
    throw unexpected(name, source, "a Tensor or an array of numbers");
  }
  if (isDetached(source)) throw detached(name);
  if (Array.isArray(source)) {
    const bad = source.findIndex((value) => typeof value !== "number");
    if (bad >= 0) throw unexpected(`${name}[${bad}]`, source[bad], "a number");
  }
  if (source.length % width !== 0) {
    throw new ShapeError(`${name} has ${source.length} elements, expected a multiple of ${width}, the width of a row`);
  }
  return source.length / width;
}

/**
 * The address of a float32 view of a core's own memory; undefined for any other array. Memory that grows leaves such a
 * view without elements, but what it was a view of stays where it is.
 */
export function viewAddress(core: Core, source: ArrayLike<number>): number | undefined {
  if (!(source instanceof Float32Array) || source.buffer !== core.linearMemory.buffer) return undefined;
  return source.byteOffset;
}

/** The same rows as a tensor if they are a view of the core's memory, which would be lost when memory grows. */
export function withoutView(core: Core, batch: Batch, { shape, size }: RowShape): Batch {
  const address = batch instanceof Tensor ? undefined : viewAddress(core, batch);
  return address === undefined
    ? batch
    : Tensor.viewOf(core, [(batch as Float32Array).length / size, ...shape], address);
}

/** How the targets of an output can be given. */
export interface TargetShape {
  /** One value for each output. */
  readonly values: RowShape;
  /** One class index for each answer: the shape has no last axis. */
  readonly indices: RowShape;
}

export function targetShapeOf(shape: Shape): TargetShape {
  const indexShape = shape.slice(0, -1);
  return { values: { shape, size: sizeOf(shape) }, indices: { shape: indexShape, size: sizeOf(indexShape) } };
}

/** Whether targets are class indices, one for each row, instead of a value for each output; checks them. */
export function readTargets(
  name: string,
  targets: Batch,
  core: Core,
  rows: number,
  { values, indices }: TargetShape,
  { acceptsIndices, checkTargets }: Pick<Loss, "acceptsIndices" | "checkTargets">,
): boolean {
  const size = targets instanceof Tensor ? targets.size : (targets as ArrayLike<number> | undefined)?.length;
  const columns = values.size / indices.size;
  const answers = rows * indices.size;
  if (acceptsIndices && size === answers && columns > 1) {
    readRows(name, targets, core, indices);
    const numbers = targets instanceof Tensor ? targets.data : targets;
    for (let i = 0; i < answers; i++) {
      const index = numbers[i]!;
      if (!(Number.isInteger(index) && index >= 0 && index < columns)) {
        throw unexpected(`${name}[${i}]`, index, `a class index from 0 to ${columns - 1}`);
      }
    }
    return true;
  }
  const isIndivisible = acceptsIndices && columns > 1 && isNumericArray(targets) && targets.length % values.size !== 0;
  if (isIndivisible || readRows(name, targets, core, values) !== rows) {
    const expected = acceptsIndices
      ? `${answers} class indices or ${answers * columns} values`
      : `${answers * columns} values`;
    throw new ShapeError(`${name} has ${size} elements for ${rows} rows of x, expected ${expected}`);
  }
  checkTargets?.(name, targets instanceof Tensor ? targets.data : targets, columns);
  return false;
}

import { describe, detached, isDetached, isNumericArray, unexpected } from "../checks.js";
import type { Core } from "../core.js";
import { OptionError, ShapeError } from "../errors.js";
import { type Shape, sizeOf, Tensor } from "../tensor.js";
import type { Loss } from "./losses/loss.js";

/** Rows of numbers: a tensor [rows, ...shape], or an array of as many numbers, row after row. */
export type Batch = Tensor | ArrayLike<number>;

/** A batch; an array of its rows, each nested as deep as its shape; or, where a model has several, an array of batches. */
export type Rows = Batch | readonly Rows[];

/** Axes of a nested row at most. */
const MAX_AXES = 32;

/**
 * The numbers of nested rows, row after row; any other batch as it is. Each row has one of these shapes, by default that
 * of the first: nested like it, or with neighboring axes as one. What is nested otherwise, or unevenly, is refused: its
 * numbers would be read in another order than they are written in.
 */
export function flatRows(name: string, batch: Rows, ...shapes: readonly Shape[]): Batch {
  if (!Array.isArray(batch) || !isNumericArray(batch[0])) return batch as Batch;
  const found = batch.map((row) => (isNumericArray(row) ? nestingOf(row) : undefined));
  const known = shapes.length === 0 ? [found[0] ?? []] : shapes;
  const bad = found.findIndex((shape) => shape === undefined || !known.some((other) => areAlike(shape, other)));
  if (bad < 0) return batch.flatMap((row) => flat(row));
  const [row, shape] = [batch[bad], found[bad]];
  const how = shape?.length === 1 ? ` with ${shape} elements` : shape ? ` nested as [${shape}]` : " nested unevenly";
  const nesting = shape?.length === 1 || known[0]!.length < 2 ? "" : `, nested as [${known[0]}] if at all`;
  throw new ShapeError(
    `${name}[${bad}] is ${describe(row)}${isNumericArray(row) ? how : ""}, expected a row of ${sizeOf(known[0]!)} elements${nesting}`,
  );
}

/** The lengths of arrays in arrays, the outer ones first; undefined where neighbors differ, or there are too many. */
function nestingOf(value: ArrayLike<number>, depth = MAX_AXES): number[] | undefined {
  if (!Array.isArray(value) || !value.some(isNumericArray)) return [value.length];
  if (depth === 0 || !value.every(isNumericArray)) return undefined;
  const inner = value.map((each) => nestingOf(each, depth - 1));
  const [first] = inner;
  return first && inner.every((shape) => `${shape}` === `${first}`) ? [value.length, ...first] : undefined;
}

/** Whether two shapes are of as many elements, and one has no border between axes that the other has not. */
function areAlike(a: Shape, b: Shape): boolean {
  const [inA, inB] = [borders(a), borders(b)];
  const [fewer, more] = inA.size < inB.size ? [inA, inB] : [inB, inA];
  return sizeOf(a) === sizeOf(b) && [...fewer].every((elements) => more.has(elements));
}

/** Elements from one index of an axis to the next, for all axes. */
function borders(shape: Shape): Set<number> {
  return new Set(shape.map((_, i) => sizeOf(shape.slice(i))).concat(1));
}

function flat(value: unknown): number[] {
  return isNumericArray(value) ? Array.from(value).flatMap(flat) : [value as number];
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
    const outputs = `the model's outputs are [${["rows", ...values.shape].join(", ")}]`;
    throw new ShapeError(`${name} has ${size} elements for ${rows} rows of x, expected ${expected}: ${outputs}`);
  }
  checkTargets?.(name, targets instanceof Tensor ? targets.data : targets, columns);
  return false;
}

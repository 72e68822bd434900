import {
  checkInteger,
  checkKeys,
  checkNumber,
  checkNumericArray,
  detached,
  isDetached,
  isNumericArray,
  unexpected,
} from "../checks.js";
import { OptionError, ShapeError } from "../errors.js";
import { isRecord } from "../optim/parameters.js";
import { Random } from "../random.js";
import { flatRows, type Rows } from "./data.js";

/** Mean and deviation of each column, as JSON for the metadata of `saveModel`. */
export interface StandardizerState {
  /** Of each column. */
  readonly mean: readonly number[];
  /** Of each column, above 0. */
  readonly deviation: readonly number[];
}

/** Scales columns to mean 0 and standard deviation 1. */
export interface Standardizer {
  readonly state: StandardizerState;
  /** (x − mean) / deviation for each column: in float64, rounded once to float32. */
  apply(x: Rows): Float32Array;
  /** x · deviation + mean for each column: in float64, rounded once to float32. */
  invert(x: Rows): Float32Array;
}

/**
 * The standardizer of some rows: the mean of each column, and its standard deviation √(Σ(x − mean)² / rows). A column
 * whose numbers are all the same has deviation 1, so that it becomes zeros.
 *
 * Numerics: sums in float64, in the order of the rows; two passes.
 *
 * @param x rows of finite numbers, one after the other or nested; fit on the training rows alone
 * @param columns numbers of a row, >= 1; nested rows have theirs by default
 * @throws OptionError, ShapeError
 * @example
 * const scaler = fitStandardizer([1, 10, 3, 30], 2);
 * scaler.apply([1, 30]); // Float32Array [-1, 1]
 */
export function fitStandardizer(x: Rows, columns?: number): Standardizer;
export function fitStandardizer(x: Rows, columns = nestedWidth(x) as number): Standardizer {
  checkInteger("columns", columns, 1);
  const values = flatOf("x", x, columns);
  const rows = values.length / columns;
  if (rows === 0) throw new ShapeError("x has no rows, expected at least one");
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) throw unexpected(`x[${i}]`, values[i], "a finite number");
  }
  const mean = new Float64Array(columns);
  for (let i = 0; i < values.length; i++) mean[i % columns]! += values[i]!;
  for (let k = 0; k < columns; k++) mean[k]! /= rows;
  const squares = new Float64Array(columns);
  for (let i = 0; i < values.length; i++) {
    const difference = values[i]! - mean[i % columns]!;
    squares[i % columns]! += difference * difference;
  }
  const deviation = squares.map((square) => Math.sqrt(square / rows) || 1);
  return standardizer({ mean: [...mean], deviation: [...deviation] });
}

/**
 * A standardizer from its `state`, which may come from a file.
 *
 * @throws OptionError unless it is one
 * @example
 * const { model, metadata } = loadModel(core, bytes, { layers: nn });
 * const y = model.predict(standardizer(metadata.scaler).apply(x));
 */
export function standardizer(state: StandardizerState): Standardizer {
  if (!isRecord(state)) throw unexpected("state", state, "what a standardizer's state is");
  checkKeys("state", state, ["mean", "deviation"]);
  const { mean, deviation } = state;
  for (const [name, list] of Object.entries({ mean, deviation })) {
    if (!Array.isArray(list)) throw unexpected(`state.${name}`, list, "an array of numbers");
    for (const [i, value] of list.entries()) {
      const isFine = Number.isFinite(value) && (name === "mean" || value > 0);
      if (!isFine)
        throw unexpected(`state.${name}[${i}]`, value, name === "mean" ? "a finite number" : "a number above 0");
    }
  }
  const columns = mean.length;
  if (columns === 0 || deviation.length !== columns) {
    throw new OptionError(
      `state has ${columns} means and ${deviation.length} deviations, expected as many, at least one`,
    );
  }
  const map = (x: Rows, change: (value: number, column: number) => number): Float32Array =>
    Float32Array.from(flatOf("x", x, columns), (value, i) => change(value, i % columns));
  return {
    state: { mean: [...mean], deviation: [...deviation] },
    apply: (x) => map(x, (value, k) => (value - mean[k]!) / deviation[k]!),
    invert: (x) => map(x, (value, k) => value * deviation[k]! + mean[k]!),
  };
}

/**
 * Rows with a 1 at the place of each label, and zeros: targets for losses that take no class indices.
 *
 * @param labels integers from 0 to classes − 1
 * @param classes >= 1
 * @returns [labels.length, classes], row after row
 * @throws OptionError
 * @example
 * oneHot([2, 0], 3); // Float32Array [0, 0, 1, 1, 0, 0]
 */
export function oneHot(labels: ArrayLike<number>, classes: number): Float32Array {
  checkInteger("classes", classes, 1);
  checkNumericArray("labels", labels, "an array of numbers");
  checkInteger("classes", classes, 1, Math.floor((2 ** 32 - 1) / Math.max(labels.length, 1)));
  const rows = new Float32Array(labels.length * classes);
  for (let i = 0; i < labels.length; i++) {
    checkInteger(`labels[${i}]`, labels[i], 0, classes - 1);
    rows[i * classes + labels[i]!] = 1;
  }
  return rows;
}

/** Options of `splitRows`. */
export interface SplitOptions {
  /** Number of rows. Default: as many as the first array has, if they are nested. */
  rows?: number;
  /** The share of them that is for validation, from 0 to 1; rounded to whole rows. Default 0.2. */
  validation?: number;
  /** Seed of the order, an integer from 0 to 2³² − 1; default 0. */
  seed?: number;
}

/**
 * Divides rows at random into those to train with and those to validate with: the same rows of every array. The same seed
 * gives the same rows in every engine.
 *
 * @param data arrays of numbers, row after row, or of rows: `{ x, y }`
 * @param options see `SplitOptions`
 * @throws OptionError, ShapeError
 * @example
 * const { train, validation } = splitRows({ x: [0, 0, 1, 1, 2, 2], y: [0, 1, 2] }, { rows: 3, validation: 1 / 3 });
 */
export function splitRows<Data extends Readonly<Record<string, Rows>>>(
  data: Data,
  options: SplitOptions = {},
): Record<"train" | "validation", { [Name in keyof Data]: Float32Array }> {
  if (!isRecord(data)) throw unexpected("data", data, "an object of arrays, such as { x, y }");
  checkKeys("options", options, ["rows", "validation", "seed"]);
  const [array] = Object.values(data);
  const { validation = 0.2, seed = 0 } = options;
  const rows = (options.rows ?? (isNested(array) ? array.length : undefined)) as number; // checked below
  checkInteger("rows", rows, 1, 2 ** 32 - 1);
  checkNumber("validation", validation, 0, 1);
  checkInteger("seed", seed, 0, 2 ** 32 - 1);
  const flat = Object.entries(data).map(([name, given]) => [name, flatRows(`data.${name}`, given)] as const);
  for (const [name, array] of flat) {
    if (!isNumericArray(array)) throw unexpected(`data.${name}`, array, "an array of numbers");
    if (array.length % rows !== 0) {
      throw new ShapeError(`data.${name} has ${array.length} elements, expected a multiple of ${rows} rows`);
    }
  }
  const order = Uint32Array.from({ length: rows }, (_, i) => i);
  new Random(seed).shuffle(order);
  const first = rows - Math.round(rows * validation);
  const pick = (chosen: Uint32Array) =>
    Object.fromEntries(
      flat.map(([name, values]) => {
        const array = values as ArrayLike<number>;
        const width = array.length / rows;
        const element = (_: unknown, i: number) => {
          const at = chosen[Math.floor(i / width)]! * width + (i % width);
          const value: unknown = array[at];
          if (typeof value !== "number") throw unexpected(`data.${name}[${at}]`, value, "a number");
          return value;
        };
        return [name, Float32Array.from({ length: chosen.length * width }, element)];
      }),
    ) as { [Name in keyof Data]: Float32Array };
  return { train: pick(order.subarray(0, first)), validation: pick(order.subarray(first)) };
}

function checkIterable(name: string, value: unknown): void {
  const given = Object(value) as Partial<AsyncIterable<unknown> & Iterable<unknown>>;
  const isIterable = typeof given[Symbol.asyncIterator] === "function" || typeof given[Symbol.iterator] === "function";
  if (!isIterable) throw unexpected(name, value, "an iterable of { x, y }");
  if (isDetached(value)) throw detached(name);
}

/** A row of a stream: numbers, or one number. */
export interface StreamRow {
  readonly x: ArrayLike<number> | number;
  readonly y: ArrayLike<number> | number;
}

/**
 * Batches of the rows of an iterator, such as a file that is read line by line. The last may have fewer rows.
 *
 * @param rows an async or plain iterable of `{ x, y }`
 * @param batchSize >= 1
 * @throws OptionError, ShapeError when a row has another size than the first
 * @example
 * for await (const { x, y } of batches(rows, 32)) trainer.step(x, y);
 */
export async function* batches(
  rows: AsyncIterable<StreamRow> | Iterable<StreamRow>,
  batchSize: number,
): AsyncGenerator<{ x: Float32Array; y: Float32Array }> {
  checkInteger("batchSize", batchSize, 1);
  checkIterable("rows", rows);
  const parts = { x: [] as number[], y: [] as number[] };
  const widths: { x?: number; y?: number } = {};
  let count = 0;
  const take = () => {
    const batch = { x: Float32Array.from(parts.x), y: Float32Array.from(parts.y) };
    parts.x = [];
    parts.y = [];
    return batch;
  };
  for await (const row of rows) {
    for (const name of ["x", "y"] as const) {
      const given = row?.[name];
      const values = typeof given === "number" ? [given] : given;
      if (!isNumericArray(values)) throw unexpected(`${name} of row ${count}`, given, "numbers");
      widths[name] ??= values.length;
      if (values.length !== widths[name]) {
        throw new ShapeError(
          `${name} of row ${count} has ${values.length} numbers, expected ${widths[name]} as in row 0`,
        );
      }
      for (let i = 0; i < values.length; i++) parts[name].push(values[i]!);
    }
    if (++count % batchSize === 0) yield take();
  }
  if (count % batchSize !== 0) yield take();
}

function isNested(x: Rows | undefined): x is readonly Rows[] {
  return Array.isArray(x) && isNumericArray(x[0]);
}

/** Numbers of a nested row; undefined where rows are not nested. */
function nestedWidth(x: Rows): number | undefined {
  return isNested(x) ? (flatRows("x", [x[0]!]) as readonly number[]).length : undefined;
}

/** The numbers of rows, row after row. Throws OptionError or ShapeError unless `x` is numbers in whole rows. */
function flatOf(name: string, given: Rows, columns: number): ArrayLike<number> {
  const x = flatRows(name, given, [columns]);
  if (!isNumericArray(x)) throw unexpected(name, x, "an array of numbers");
  if (x.length % columns === 0) return x;
  throw new ShapeError(`${name} has ${x.length} elements, expected a multiple of ${columns}`);
}

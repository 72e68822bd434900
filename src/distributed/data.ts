import { checkInteger, checkKeys, isNumericArray, unexpected } from "../checks.js";
import { ShapeError } from "../errors.js";
import { type Batch, flatRows, type Rows } from "../nn/data.js";
import type { Dataset } from "../nn/trainer.js";
import { Tensor } from "../tensor.js";
import { digestOfValues } from "./digest.js";

/** Rows of a data set by index, wherever they are: each member fetches those that its blocks name. */
export interface RowSource {
  /** Rows in all. */
  readonly count: number;
  /** Identifies the data: members whose descriptions differ are refused. */
  readonly description: string;
  /** The rows with these indices, in this order: inputs and targets as `trainer.step` takes them. */
  rows(indices: Uint32Array): Dataset | Promise<Dataset>;
}

/** Whether `data` fetches its rows by itself. */
export function isRowSource(data: unknown): data is RowSource {
  return typeof (data as RowSource | undefined)?.rows === "function";
}

/**
 * A data set in memory as a source of rows. Its description is a digest of all its values.
 *
 * @param count rows of x and y
 * @param parts the model's inputs and outputs. Without them an array of `count` arrays is one batch, row by row
 * @throws ShapeError, OptionError
 */
export function arrayRows(
  { x, y }: Dataset,
  count: number,
  parts: { readonly inputs?: number; readonly outputs?: number } = {},
): RowSource {
  if (!(count >= 1)) throw new ShapeError(`data has ${count} rows, expected at least one`);
  const xs = readColumns("data.x", x, count, parts.inputs);
  const ys = readColumns("data.y", y, count, parts.outputs);
  const digests = [...xs.columns, ...ys.columns].map(({ values, width }) => `${width}:${digestOfValues(values)}`);
  return {
    count,
    description: digests.join(" "),
    rows: (indices) => ({ x: pick(xs, indices), y: pick(ys, indices) }),
  };
}

/** What a model of several inputs or outputs takes as an array is one here too. */
interface Columns {
  readonly columns: readonly Column[];
  readonly isArray: boolean;
}

function readColumns(name: string, batch: Rows, count: number, parts: number | undefined): Columns {
  const isList = Array.isArray(batch) && typeof batch[0] !== "number";
  const isOfRows = isList && batch.length === count && !(batch[0] instanceof Tensor);
  if (isList && (parts === undefined ? !isOfRows : parts > 1)) {
    const columns = (batch as readonly Rows[]).map((each, i) => readColumn(`${name}[${i}]`, each, count));
    return { columns, isArray: true };
  }
  return { columns: [readColumn(name, batch, count)], isArray: false };
}

interface Column {
  readonly values: Float32Array;
  readonly width: number;
}

function readColumn(name: string, given: Rows, count: number): Column {
  const batch = flatRows(name, given);
  if (!(batch instanceof Tensor) && !isNumericArray(batch))
    throw unexpected(name, batch, "a Tensor or an array of numbers");
  const values = batch instanceof Tensor ? batch.data.slice() : Float32Array.from(batch);
  const width = values.length / count;
  if (!Number.isInteger(width)) {
    throw new ShapeError(`${name} has ${values.length} elements, expected a multiple of ${count}, the number of rows`);
  }
  return { values, width };
}

function pick({ columns, isArray }: Columns, indices: Uint32Array): Batch | readonly Batch[] {
  const batches = columns.map(({ values, width }) => {
    const picked = new Float32Array(indices.length * width);
    indices.forEach((index, i) => {
      picked.set(values.subarray(index * width, (index + 1) * width), i * width);
    });
    return picked;
  });
  return isArray ? batches : batches[0]!;
}

/** A part of each row in a file: `width` numbers of a type, `offset` bytes after the row's beginning. */
export interface StoredField {
  readonly offset: number;
  readonly width: number;
  readonly type: "float32" | "uint8";
  /** What each number is multiplied by; default 1. */
  readonly scale?: number;
}

/** A file of rows of equal length. */
export interface StoredRowsOptions {
  /** Rows in the file. */
  count: number;
  /** Bytes of a row. */
  rowBytes: number;
  /** Bytes before the first row; default 0. */
  headerBytes?: number;
  x: StoredField;
  y: StoredField;
  /** Identifies the file, for instance its SHA-256. */
  description: string;
  /** Reads the bytes from `begin` to `end − 1`. */
  read(begin: number, end: number): Promise<Uint8Array>;
}

/**
 * Rows of a file that are read when they are needed. Neighboring rows are one read.
 *
 * @throws OptionError
 * @example
 * // A file on disk, in Node, Deno or Bun:
 * const file = await open("digits.bin");
 * const data = storedRows({ ...layout, read: async (begin, end) => {
 *   const bytes = new Uint8Array(end - begin);
 *   await file.read(bytes, 0, bytes.length, begin);
 *   return bytes;
 * } });
 * @example
 * // A file on a web server that answers range requests:
 * const data = storedRows({ ...layout, read: rangeReader("https://example.org/digits.bin") });
 */
export function storedRows(options: StoredRowsOptions): RowSource {
  checkKeys("options", options, ["count", "rowBytes", "headerBytes", "x", "y", "description", "read"]);
  const { count, rowBytes, headerBytes = 0, x, y, description, read } = options;
  checkInteger("count", count, 1);
  checkInteger("rowBytes", rowBytes, 1);
  checkInteger("headerBytes", headerBytes, 0);
  if (typeof description !== "string") throw unexpected("description", description, "a string");
  if (typeof read !== "function") throw unexpected("read", read, "a function of begin and end");
  for (const [name, field] of Object.entries({ x, y })) checkField(name, field, rowBytes);
  return {
    count,
    description,
    async rows(indices) {
      const rows = await readRows(indices, (first, end) =>
        read(headerBytes + first * rowBytes, headerBytes + end * rowBytes),
      );
      return { x: decode(rows, rowBytes, x), y: decode(rows, rowBytes, y) };
    },
  };

  /** The rows' bytes in the order of the indices; runs of consecutive indices are read at once. */
  async function readRows(
    indices: Uint32Array,
    readRun: (first: number, end: number) => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const rows = new Uint8Array(indices.length * rowBytes);
    const reads: Promise<void>[] = [];
    for (let at = 0; at < indices.length; ) {
      let length = 1;
      while (at + length < indices.length && indices[at + length] === indices[at]! + length) length++;
      const [place, first, size] = [at * rowBytes, indices[at]!, length * rowBytes];
      reads.push(
        readRun(first, first + length).then((bytes) => {
          if (bytes.length !== size) throw new ShapeError(`read returned ${bytes.length} bytes, expected ${size}`);
          rows.set(bytes, place);
        }),
      );
      at += length;
    }
    await Promise.all(reads);
    return rows;
  }
}

/** Reads parts of a file by HTTP range requests. */
export function rangeReader(url: string | URL, init: RequestInit = {}): StoredRowsOptions["read"] {
  return async (begin, end) => {
    const headers = new Headers(init.headers);
    headers.set("range", `bytes=${begin}-${end - 1}`);
    const response = await fetch(url, { ...init, headers });
    if (response.status !== 206) {
      throw new ShapeError(`${url} answers a range request with status ${response.status}, expected 206`);
    }
    return new Uint8Array(await response.arrayBuffer());
  };
}

const BYTES = { float32: 4, uint8: 1 } as const;

function checkField(name: string, field: StoredField, rowBytes: number): void {
  checkKeys(name, field, ["offset", "width", "type", "scale"]);
  checkInteger(`${name}.offset`, field.offset, 0);
  checkInteger(`${name}.width`, field.width, 1);
  if (!Object.hasOwn(BYTES, field.type)) throw unexpected(`${name}.type`, field.type, '"float32" or "uint8"');
  const end = field.offset + field.width * BYTES[field.type];
  if (end > rowBytes) throw new ShapeError(`${name} ends at byte ${end} of a row, expected at most ${rowBytes}`);
}

function decode(rows: Uint8Array, rowBytes: number, { offset, width, type, scale = 1 }: StoredField): Float32Array {
  const count = rows.length / rowBytes;
  const values = new Float32Array(count * width);
  const view = new DataView(rows.buffer);
  for (let row = 0; row < count; row++) {
    const start = row * rowBytes + offset;
    for (let i = 0; i < width; i++) {
      const value = type === "uint8" ? view.getUint8(start + i) : view.getFloat32(start + 4 * i, true);
      values[row * width + i] = Math.fround(scale) * value;
    }
  }
  return values;
}

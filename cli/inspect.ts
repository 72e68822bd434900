// `lanewise inspect`: what is in a safetensors file, which may be anybody's.
import { createCore } from "lanewise";
import { readSafetensors, type StoredTensor } from "lanewise/checkpoint";
import * as nn from "lanewise/nn";
import { readInput } from "./csv.js";
import { formatColumns, labelled, paragraph, terminalWidth } from "./layout.js";
import { readInfo } from "./table-model.js";
import { bold, cyan, green, print, printJson } from "./terminal.js";
import { count, plural } from "./words.js";

/** Figures of a tensor's numbers. NaN and infinities are counted, and not part of the others. */
interface Statistics {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly nonFinite: number;
}

/** Dtypes whose data are numbers; of others only the bytes are known. */
const NUMBERS = /^(F64|F32|F16|BF16|[IU](8|16|32|64)|BOOL)$/;
/** The longest value of metadata that is shown. */
const LONGEST = 300;

/** Prints tensors, metadata, and the layers of a saved model. Resolves to the exit code 0. */
export async function inspect(file: string, { json }: { json?: boolean }): Promise<number> {
  const bytes = readInput(file);
  const safetensors = readSafetensors(bytes);
  const { metadata } = safetensors;
  const tensors = [...safetensors.tensors].map(([name, tensor]) => {
    const elements = tensor.shape.reduce((product, size) => product * size, 1);
    return {
      name,
      dtype: tensor.dtype!,
      shape: tensor.shape,
      elements,
      bytes: tensor.data.byteLength,
      statistics: statisticsOf(tensor),
    };
  });
  const model = await modelOf(file, bytes);
  const elements = tensors.reduce((sum, tensor) => sum + tensor.elements, 0);
  if (json) {
    printJson({
      lanewise: VERSION,
      file,
      bytes: bytes.length,
      tensors,
      elements,
      metadata,
      model: model ?? null,
      units: { bytes: "bytes" },
    });
    return 0;
  }
  print(`${paragraph(`${printable(file)}: ${count(bytes.length)} bytes`, bold)}\n`);
  if (tensors.length > 0) {
    const head = ["tensor", "dtype", "shape", "min", "max", "mean"];
    const rows = tensors.map(({ name, dtype, shape, statistics }) => {
      const figures = statistics ? [statistics.min, statistics.max, statistics.mean].map(short) : ["–", "–", "–"];
      return [printable(name), dtype, `[${shape.join(", ")}]`, ...figures];
    });
    print(`${formatColumns(head, rows, { left: [0, 1, 2], color: cyan })}\n`);
  }
  const entries = Object.entries(metadata).filter(([key]) => !(model && key === "lanewise"));
  if (entries.length > 0) {
    print(bold("metadata"));
    const labelWidth = Math.min(24, Math.max(...entries.map(([key]) => printable(key).length)) + 4);
    for (const [key, value] of entries) print(labelled(`  ${printable(key)}`, printable(cut(value)), labelWidth));
    print();
  }
  if (model) {
    print(bold("model"));
    print(
      "error" in model
        ? paragraph(printable(model.error))
        : printable(model.summary, true).split("\n").map(fit).join("\n"),
    );
    if ("table" in model && model.table) {
      const { target, task, columns } = model.table;
      print(paragraph(printable(`It predicts ${target} (${task}) from ${columns.join(", ")}.`)));
    }
    print();
  }
  print(paragraph(closing(tensors), green));
  return 0;
}

/** What `saveModel` has put into the file, if it has; the error if that is damaged. */
async function modelOf(file: string, bytes: Uint8Array) {
  using core = await createCore();
  try {
    const { model, metadata } = nn.loadModel(core, bytes, { layers: nn });
    const hasTable = typeof metadata === "object" && metadata !== null && "table" in metadata;
    const info = hasTable ? readInfo(file, metadata) : undefined;
    const table = info && { target: info.target, task: info.task, columns: info.columns.map(({ name }) => name) };
    return { summary: model.summary(), ...(metadata !== undefined && { metadata }), ...(table && { table }) };
  } catch (error) {
    const { message } = error as Error;
    return message.startsWith("the file has no model") ? undefined : { error: message };
  }
}

function statisticsOf({ dtype, data }: StoredTensor): Statistics | undefined {
  if (!NUMBERS.test(dtype!)) return undefined;
  let [min, max, sum, finite] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (const element of data) {
    const value = Number(element);
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
    finite++;
  }
  if (finite === 0)
    return data.length === 0
      ? undefined
      : { min: Number.NaN, max: Number.NaN, mean: Number.NaN, nonFinite: data.length };
  return { min, max, mean: sum / finite, nonFinite: data.length - finite };
}

function closing(tensors: readonly { name: string; elements: number; statistics: Statistics | undefined }[]): string {
  const elements = tensors.reduce((sum, tensor) => sum + tensor.elements, 0);
  const bad = tensors.filter(({ statistics }) => statistics && statistics.nonFinite > 0);
  const total = `The file has ${plural(tensors.length, "tensor")} with ${plural(elements, "number")}`;
  if (bad.length === 0) return `${total}; all are finite where the dtype is a number.`;
  const nonFinite = bad.reduce((sum, { statistics }) => sum + statistics!.nonFinite, 0);
  return `${total}; ${count(nonFinite)} are NaN or infinite, in ${bad.map(({ name }) => printable(name)).join(", ")}.`;
}

/** Text without control characters, which could change what a terminal shows. */
function printable(text: string, keepsLines = false): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) =>
    keepsLines && c === "\n" ? c : `\\u{${c.codePointAt(0)!.toString(16)}}`,
  );
}

function cut(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}… (${count(text.length)} characters)`;
}

/** A line of a summary: its spaces shrink where the terminal is too narrow. */
function fit(line: string): string {
  return line.length <= terminalWidth() ? line : line.replace(/ {2,}/g, "  ");
}

const short = (value: number) => (Number.isNaN(value) ? "–" : String(Number(value.toPrecision(4))));

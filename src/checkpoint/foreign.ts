import { quote } from "../checks.js";

const CONVERT = "; load it where it was made and save it as safetensors there";

/** How files of other kinds begin, as Latin-1, and what to say of them. */
const KINDS: readonly (readonly [start: string, kind: string])[] = [
  ["PK\x03\x04", `a zip archive, such as a .keras, .npz or PyTorch file${CONVERT}`],
  ["\x1f\x8b", "a gzip archive; decompress it first"],
  ["\x28\xb5\x2f\xfd", "a zstd archive; decompress it first"],
  ["\x89HDF", `an HDF5 file, such as Keras's .h5${CONVERT}`],
  ["\x93NUMPY", `a NumPy array (.npy)${CONVERT}`],
  ["GGUF", `a GGUF file${CONVERT}`],
  ["version https://git-lfs", "a git-lfs pointer; fetch the file itself, for instance with git lfs pull"],
  ["<!DOCTYPE", "an HTML page, such as a server's error; check the URL"],
  ["<html", "an HTML page, such as a server's error; check the URL"],
  ["<", "XML or HTML, such as a server's error; check the URL"],
  ["{", "JSON; check the URL or the name of the file"],
  ["[", "JSON; check the URL or the name of the file"],
  ["\x80\x02", `a Python pickle, such as an old PyTorch file${CONVERT}`],
  ["\x80\x03", `a Python pickle${CONVERT}`],
  ["\x80\x04", `a Python pickle${CONVERT}`],
  ["\x80\x05", `a Python pickle${CONVERT}`],
];

/**
 * What a file is that cannot be a safetensors file, told by its first bytes; `undefined` if they tell nothing. The length
 * of a header can look like any of them, so ask only when the header cannot be read.
 */
export function kindOf(bytes: Uint8Array): string | undefined {
  const latin = String.fromCharCode(...bytes.subarray(0, 64)).replace(/^(\xef\xbb\xbf)?[ \t\r\n]*/, "");
  const upper = latin.toUpperCase();
  const kind = KINDS.find(([start]) => upper.startsWith(start.toUpperCase()))?.[1];
  const text = /^[\x20-\x7e]*/.exec(latin)![0].slice(0, 24);
  const hex = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const begins = `it begins with ${text.length > 1 ? quote(text) : `the bytes ${hex}`}`;
  if (kind !== undefined) return `${begins}: ${kind}`;
  const lines = /^[\t\n\r\x20-\x7e]*/.exec(latin)![0].slice(0, 24);
  return lines.length > 15 ? `it begins with ${quote(lines)}: text` : undefined;
}

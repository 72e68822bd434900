// Binaries as text, for what no flag of a compiler does.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const tool = (name) => fileURLToPath(new URL(`../node_modules/binaryen/bin/${name}`, import.meta.url));

/** Rewrites the binary in `file` and returns its new text, which `change` makes of the old. Names of functions stay if `keepNames`. */
export function rewrite(file, change, keepNames) {
  const text = `${file}.wat`;
  execFileSync(process.execPath, [tool("wasm-dis"), "--all-features", file, "-o", text]);
  const changed = change(readFileSync(text, "utf8"));
  writeFileSync(text, changed);
  execFileSync(process.execPath, [tool("wasm-as"), "--all-features", ...(keepNames ? ["-g"] : []), text, "-o", file]);
  return changed;
}

/** The place after the parenthesis that closes the one at `start`. */
export function endOf(text, start) {
  let depth = 0;
  for (let at = start; ; at++) {
    if (text[at] === "(") depth++;
    if (text[at] === ")" && --depth === 0) return at + 1;
  }
}

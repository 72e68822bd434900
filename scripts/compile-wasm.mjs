// A worker thread of build-wasm.mjs: compiles one binary after the other into build/wasm.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parentPort } from "node:worker_threads";
import asc from "assemblyscript/asc";
import { hoistConstants } from "./hoist-constants.mjs";
import { schedule } from "./schedule.mjs";
import { placeSplats } from "./splats.mjs";
import { rewrite } from "./wat.mjs";

const wasmOpt = fileURLToPath(new URL("../node_modules/binaryen/bin/wasm-opt", import.meta.url));

/** What asc enables by itself, SIMD and atomics. */
const FEATURES = [
  ...["mutable-globals", "nontrapping-float-to-int", "sign-ext", "bulk-memory"],
  ...["simd", "relaxed-simd", "threads"],
];

/** Compiles a binary: the files that were looked for, and whether its text has a register tile, whose size depends on the target. */
async function compile({ name, target, entries, embedded }) {
  const outFile = `build/wasm/${name}.wasm`;
  const files = new Set();
  const readFile = (file, folder) => {
    const path = join(folder, file);
    files.add(path);
    try {
      return readFileSync(path, "utf8");
    } catch {
      return null;
    }
  };
  const { error, stderr } = await asc.main([...entries, "--target", target, "--outFile", outFile], { readFile });
  if (error) throw new Error(`${stderr}\n${error.message}`);
  if (embedded) {
    // A second pass over AssemblyScript's own finds a little more: 0.2 KB of the compressed size.
    const flags = FEATURES.map((feature) => `--enable-${feature}`);
    execFileSync(process.execPath, [wasmOpt, outFile, "-O3", ...flags, "-o", outFile]);
  }
  let hasTile = false;
  const text = rewrite(
    outFile,
    (text) => {
      hasTile = text.includes('(import "schedule"');
      return schedule(hoistConstants(text), embedded);
    },
    !embedded,
  );
  writeFileSync(outFile, placeSplats(readFileSync(outFile), text));
  return { files: [...files], hasTile };
}

parentPort.on("message", async (binary) => {
  try {
    parentPort.postMessage({ result: await compile(binary) });
  } catch (error) {
    parentPort.postMessage({ error });
  }
});

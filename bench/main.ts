// Lanewise's Wasm against its JavaScript twin and against the loop that one would write by hand, on this machine.
import { writeFileSync } from "node:fs";
import { Command } from "commander";
import { createCore } from "lanewise";
import { benchGemm } from "./gemm.bench.js";
import { compileNative } from "./native.js";
import { type Case, describeEnvironment, formatCase, formatEnvironment } from "./report.js";
import { benchRmsprop } from "./rmsprop.bench.js";

const { json, only } = new Command("npm run bench --")
  .description("Time steps and products: Wasm, its JavaScript twin, a plain loop, and the machine's native limit.")
  .option("--json <file>", "write the figures to a file")
  .option("--only <name>", "rmsprop or gemm")
  .allowExcessArguments(false)
  .parse()
  .opts<{ json?: string; only?: string }>();

const cores = [await createCore({ backend: "wasm" }), await createCore({ backend: "js" })];
const native = compileNative();
const environment = describeEnvironment(cores);
console.log(formatEnvironment(environment));
if (native === undefined) console.log("No C compiler for x86 here: the native limits are left out.");

const cases: Case[] = [];
const report = (result: Case) => {
  cases.push(result);
  console.log(formatCase(result));
};
if (only !== "gemm") {
  for (const count of [1024, 100_000, 2 ** 20, 2 ** 24]) report(await benchRmsprop(cores, count, native));
}
if (only !== "rmsprop") {
  for (const n of [16, 32, 64, 128, 256, 512, 1024]) report(await benchGemm(cores, n, native));
}
native?.dispose();
if (json !== undefined) writeFileSync(json, `${JSON.stringify({ environment, cases }, null, 2)}\n`);

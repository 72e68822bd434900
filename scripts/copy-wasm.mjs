// Puts the binaries beside the JavaScript, for `lanewise/wasm/*.wasm`; those of the core also for a shared memory.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { SHARED_IMPORT, UNSHARED_IMPORT } from "../src/backend/wasm/instantiate.js";

/** Binaries that exist inside the JavaScript only, or for tests only. */
const UNPUBLISHED = /^(debug|elementary|(.+-)?wide)\.wasm$/;

mkdirSync("dist/wasm", { recursive: true });
for (const file of readdirSync("build/wasm")) {
  if (!file.endsWith(".wasm") || UNPUBLISHED.test(file)) continue;
  const wasm = readFileSync(`build/wasm/${file}`);
  writeFileSync(`dist/wasm/${file}`, wasm);
  if (file !== "simd.wasm" && file !== "relaxed.wasm") continue;
  const shared = wasm.toString("hex").replace(UNSHARED_IMPORT, SHARED_IMPORT);
  writeFileSync(`dist/wasm/${file.replace(".", "-threads.")}`, Buffer.from(shared, "hex"));
}

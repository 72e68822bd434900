// Puts the binaries beside the JavaScript, for `lanewise/wasm/*.wasm`; those of the core also for a shared memory.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { SHARED_IMPORT, UNSHARED_IMPORT } from "../dist/backend/wasm/instantiate.js";

mkdirSync("dist/wasm", { recursive: true });
for (const name of ["simd", "relaxed", "nn"]) {
  const wasm = readFileSync(`build/wasm/${name}.wasm`);
  writeFileSync(`dist/wasm/${name}.wasm`, wasm);
  if (name === "nn") continue;
  const shared = wasm.toString("hex").replace(UNSHARED_IMPORT, SHARED_IMPORT);
  writeFileSync(`dist/wasm/${name}-threads.wasm`, Buffer.from(shared, "hex"));
}

// Puts the binaries beside the JavaScript, for `lanewise/wasm/*.wasm`.
import { copyFileSync, mkdirSync } from "node:fs";

mkdirSync("dist/wasm", { recursive: true });
for (const name of ["simd", "relaxed", "nn"]) copyFileSync(`build/wasm/${name}.wasm`, `dist/wasm/${name}.wasm`);

// Rewrites the marked regions of the files that have some.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FILES, fillRegions, makeRegions } from "./tables.js";

const regions = makeRegions();
for (const name of FILES) {
  const file = fileURLToPath(new URL(`../${name}`, import.meta.url));
  writeFileSync(file, fillRegions(readFileSync(file, "utf8"), regions));
}

// Runs the tests that depend on the engine on newer Nodes than the one at hand: `npm run test:nodes`.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const FILES = ["tests/conformance", "tests/unit/wide.test.ts", "tests/unit/core.test.ts", "tests/unit/threads"];

let failed = false;
for (const version of [24, 26]) {
  const node = fileURLToPath(new URL(`node_modules/node-${version}/bin/node`, import.meta.url));
  const report = `--outputFile.json=build/node-${version}-results.json`;
  const { status } = spawnSync(node, ["node_modules/vitest/vitest.mjs", "run", ...FILES, report], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) failed = true;
}
process.exitCode = failed ? 1 : 0;

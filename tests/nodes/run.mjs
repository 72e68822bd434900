// Runs the tests that depend on the engine on newer Nodes than the one at hand: `npm run test:nodes`.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
let failed = false;
for (const version of [24, 26]) {
  const node = fileURLToPath(new URL(`node_modules/node-${version}/bin/node`, import.meta.url));
  const vitest = ["node_modules/vitest/vitest.mjs", "run", "--config", "vitest.nodes.config.ts"];
  const { status } = spawnSync(node, vitest, { cwd: root, stdio: "inherit" });
  if (status !== 0) failed = true;
}
process.exitCode = failed ? 1 : 0;

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const page = new URL("../../docs/guide/tfjs.md", import.meta.url);
const snippets = [...readFileSync(page, "utf8").matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code!);

it("the guide has snippets", () => {
  expect(snippets.length).toBeGreaterThanOrEqual(3);
});

it.each(snippets.map((code, i) => [i + 1, code] as const))("snippet %i of the guide runs", (i, code) => {
  // Here, where TensorFlow.js is.
  const folder = new URL("node_modules/.guide/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  const file = fileURLToPath(new URL(`${i}.mjs`, folder));
  writeFileSync(file, code);
  const output = execFileSync(process.execPath, [file], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  if (code.includes("console.log")) expect(output.trim()).not.toBe("");
});

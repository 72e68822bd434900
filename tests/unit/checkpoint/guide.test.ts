import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = new URL("../../../", import.meta.url);
const guide = readFileSync(new URL("docs/guide/checkpoints.md", root), "utf8");
const snippets = [...guide.matchAll(/```js\n(.*?)```/gs)]
  .map((match) => match[1]!)
  // TensorFlow.js is not installed here; what needs a browser or a Worker is run by tests/runtimes/stores.test.mjs.
  .filter((code) => !/@tensorflow\/tfjs|indexedDBStore|durableObjectStore/.test(code));

describe("docs/guide/checkpoints.md", () => {
  it("has snippets", () => expect(snippets.length).toBe(7));

  it.each(snippets.map((code, index) => [index + 1, code] as const))("snippet %i runs", (index, code) => {
    // Inside the package, so that "lanewise" means the build of this very checkout.
    const folder = new URL("build/guide/", root);
    mkdirSync(folder, { recursive: true });
    const file = fileURLToPath(new URL(`checkpoints-${index}.mjs`, folder));
    writeFileSync(file, code);
    const output = execFileSync(process.execPath, [file], { encoding: "utf8", cwd: fileURLToPath(root) });
    if (code.includes("console.log")) expect(output).not.toBe("");
    const [, said] = /console\.log\(.*\); \/\/ (.*)/.exec(code) ?? [];
    if (said !== undefined) expect(output).toBe(`${said}\n`);
  });
});

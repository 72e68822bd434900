import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = new URL("../../", import.meta.url);

describe.each(["README.md", "docs/guide/optimizers.md"])("%s", (page) => {
  const text = readFileSync(new URL(page, root), "utf8");
  const snippets = [...text.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1]!);

  it("has snippets", () => expect(snippets.length).toBeGreaterThanOrEqual(3));

  it.each(snippets.map((code, index) => [index + 1, code] as const))("snippet %i runs", (index, code) => {
    // Inside the package, so that "lanewise" means the build of this very checkout.
    const folder = new URL("build/readme/", root);
    mkdirSync(folder, { recursive: true });
    const file = fileURLToPath(new URL(`${page.replaceAll("/", "-")}-${index}.ts`, folder));
    writeFileSync(file, code);
    const tsx = fileURLToPath(new URL("node_modules/tsx/dist/cli.mjs", root));
    const output = execFileSync(process.execPath, [tsx, file], { encoding: "utf8", cwd: fileURLToPath(root) });
    if (code.includes("console.log")) expect(output).not.toBe("");
  });
});

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = new URL("../../", import.meta.url);

/** The programs of a page, and what it says that they print. A snippet without imports goes on from the one before. */
function programsOf(text: string): { code: string; output: string }[] {
  const programs: { code: string; output: string }[] = [];
  for (const [, language, block] of text.matchAll(/```(ts|text)\n(.*?)```/gs)) {
    if (/^import /m.test(block!)) programs.push({ code: "", output: "" });
    programs.at(-1)![language === "ts" ? "code" : "output"] += block;
  }
  return programs;
}

describe.each([
  ["README.md", 4],
  ["docs/guide/optimizers.md", 4],
  ["docs/guide/which-rmsprop.md", 1],
])("%s", (page, count) => {
  const programs = programsOf(readFileSync(new URL(page, root), "utf8"));

  it(`has ${count} programs`, () => expect(programs.length).toBe(count));

  it.each(programs.map((program, index) => [index + 1, program] as const))("program %i runs", (index, program) => {
    // Inside the package, so that "lanewise" means the build of this very checkout.
    const folder = new URL("build/readme/", root);
    mkdirSync(folder, { recursive: true });
    const file = fileURLToPath(new URL(`${page.replaceAll("/", "-")}-${index}.ts`, folder));
    writeFileSync(file, program.code);
    const tsx = fileURLToPath(new URL("node_modules/tsx/dist/cli.mjs", root));
    const output = execFileSync(process.execPath, [tsx, file], { encoding: "utf8", cwd: fileURLToPath(root) });
    if (program.output !== "") expect(output).toBe(program.output);
    else if (program.code.includes("console.log")) expect(output).not.toBe("");
  });
});

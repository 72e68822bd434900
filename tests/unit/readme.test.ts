import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = new URL("../../", import.meta.url);
const read = (page: string) => readFileSync(new URL(page, root), "utf8");

/** Snippets that need TensorFlow.js, or a browser or Worker (tests/runtimes/stores.test.mjs runs those). */
const ELSEWHERE = /@tensorflow\/tfjs|indexedDBStore|durableObjectStore/;

/**
 * Pages whose programs other tests run: tests/runtimes/examples.test.mjs in their runtimes, tests/package/tools.test.mjs,
 * tests/unit/nn/guide.test.ts, tests/runtimes/worker-examples.test.mjs. Those of `distributed` need a NATS server and are run by nothing.
 */
const PAGES_ELSEWHERE = [
  "browsers",
  "bun",
  "cloudflare-workers",
  "deno",
  "distributed",
  "in-a-worker",
  "models",
  "node",
  "tools",
  "vercel-edge",
];
/** Pages that show an option in a line, and the output of commands. */
const PAGES_WITHOUT_PROGRAMS = ["cli", "tfjs", "threads", "wide"];

interface Program {
  readonly language: "js" | "ts";
  code: string;
  /** What the page shows as its output in a block of text. */
  output: string;
}

/** The programs of a page. A TypeScript snippet without imports continues the one before; such one of JavaScript is a fragment. */
function programsOf(text: string): Program[] {
  const programs: Program[] = [];
  for (const [, language, block] of text.matchAll(/```(js|ts|text)\n(.*?)```/gs)) {
    const last = programs.at(-1);
    if (language === "text") {
      if (last?.language === "ts") last.output += block;
    } else if (/^import /m.test(block!)) {
      programs.push({ language: language as "js" | "ts", code: block!, output: "" });
    } else if (language === "ts") last!.code += block;
  }
  return programs.filter(({ code }) => !ELSEWHERE.test(code));
}

/** Runs a program inside the package, so that "lanewise" means the build of this very checkout. */
function run(name: string, { language, code }: Program): string {
  const folder = new URL("build/snippets/", root);
  mkdirSync(folder, { recursive: true });
  const file = fileURLToPath(new URL(`${name}.${language === "ts" ? "ts" : "mjs"}`, folder));
  writeFileSync(file, code);
  const tsx = fileURLToPath(new URL("node_modules/tsx/dist/cli.mjs", root));
  const args = language === "ts" ? [tsx, file] : [file];
  return execFileSync(process.execPath, args, { encoding: "utf8", cwd: fileURLToPath(root) });
}

/** What `console.log(…); // text` says that it prints; undefined unless each of them says so. */
function announced(code: string): string | undefined {
  const lines = [...code.matchAll(/console\.log\(.*\);(?: \/\/ (.*))?$/gm)].map(([, text]) => text);
  return lines.length > 0 && lines.every((text) => text !== undefined) ? `${lines.join("\n")}\n` : undefined;
}

const guides = readdirSync(new URL("docs/guide/", root)).map((name) => name.replace(/\.md$/, ""));
const pages = guides.filter((name) => ![...PAGES_ELSEWHERE, ...PAGES_WITHOUT_PROGRAMS].includes(name));

it("knows its pages", () => {
  expect(guides).toEqual(expect.arrayContaining([...PAGES_ELSEWHERE, ...PAGES_WITHOUT_PROGRAMS]));
  for (const page of PAGES_WITHOUT_PROGRAMS) expect(programsOf(read(`docs/guide/${page}.md`)), page).toEqual([]);
});

it("the README has at most 1,500 words", () => expect(read("README.md").split(/\s+/).length).toBeLessThanOrEqual(1500));

describe.each(["README.md", "docs/index.md", ...pages.map((name) => `docs/guide/${name}.md`)])("%s", (page) => {
  const programs = programsOf(read(page));

  it("has programs", () => expect(programs.length).toBeGreaterThan(0));

  it.each(programs.map((program, index) => [index + 1, program] as const))("program %i runs", (index, program) => {
    const output = run(`${page.replaceAll("/", "-")}-${index}`, program);
    const expected = program.output || (program.language === "js" ? announced(program.code) : undefined);
    if (expected !== undefined) expect(output).toBe(expected);
    else if (program.code.includes("console.log")) expect(output).not.toBe("");
  });
});

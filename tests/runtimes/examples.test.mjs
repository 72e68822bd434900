import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { outputOf } from "./drivers/browsers.mjs";
import { command } from "./drivers/commands.mjs";
import { edge } from "./drivers/engines.mjs";
import { miniflare } from "./drivers/workers.mjs";
import { modules, prepare } from "./prepare.mjs";

const examples = fileURLToPath(new URL("../../examples/runtimes", import.meta.url));
const project = prepare();
cpSync(examples, join(project.directory, "examples"), { recursive: true });
afterAll(() => project.remove());

/** The minimum, which all of them find to the bit. */
const X = 5;

async function use(start) {
  const runtime = await start(project);
  try {
    return await runtime.run({});
  } finally {
    await runtime.stop?.();
  }
}

describe("the example of", () => {
  const node = (version) => join(modules, `node-${version}/bin/node`);
  it.each([
    ["Node", command(node(20), { file: "examples/command.mjs" })],
    ["Node's require", command(node(20), { file: "examples/command.cjs" })],
    [
      "Deno",
      command(join(modules, "@deno/linux-x64-glibc/deno"), { args: ["run", "-A"], file: "examples/command.mjs" }),
    ],
    ["Bun", command(join(modules, "@oven/bun-linux-x64/bin/bun"), { file: "examples/command.mjs" })],
    ["Cloudflare Workers", miniflare("examples/cloudflare-workers/worker.mjs")],
    ["Vercel Edge", edge("examples/vercel-edge/route.mjs")],
  ])("%s", async (name, start) => {
    const form = name === "Bun" ? ", in the form for JavaScriptCore" : "";
    expect(await use(start)).toEqual({ x: X, variant: "simd", reason: `simd passed its self-test${form}` });
  });

  it.each([
    ["plain", /^simd passed its self-test; one thread: SharedArrayBuffer does not exist here/],
    ["isolated", /^simd passed its self-test; 2 threads$/],
  ])("browsers, unbundled, on a site that is %s", async (site, reason) => {
    cpSync(join(examples, "browser/index.html"), join(project.directory, "index.html"));
    const result = JSON.parse(await outputOf(project.directory, site));
    expect(result).toEqual({ x: X, variant: "simd", reason: expect.stringMatching(reason) });
  });
});

it("browsers, with every entry of its import map", async () => {
  const page = readFileSync(join(examples, "browser/index.html"), "utf8");
  const names = Object.keys(JSON.parse(/<script type="importmap">(.*?)<\/script>/s.exec(page)[1]).imports);
  const { exports } = JSON.parse(readFileSync(join(project.directory, "node_modules/lanewise/package.json"), "utf8"));
  const entries = Object.keys(exports).map((name) => name.replace(".", "lanewise"));
  const elsewhere = /wasm|json|checkpoint\/file|tfjs/; // no modules, Node's, and what needs TensorFlow.js
  expect(names).toEqual(expect.arrayContaining(entries.filter((name) => !elsewhere.test(name))));
  const program = `const names = ${JSON.stringify(names)};
    const modules = await Promise.all(names.map((name) => import(name)));
    document.querySelector("output").value = JSON.stringify(modules.map((each) => Object.keys(each).length > 0));`;
  const changed = page.replace(/(<script type="module">).*?(<\/script>)/s, (_, begin, end) => begin + program + end);
  writeFileSync(join(project.directory, "index.html"), changed);
  expect(JSON.parse(await outputOf(project.directory, "plain"))).toEqual(names.map(() => true));
});

describe("a guide shows", () => {
  it.each([
    ["node", ["command.mjs", "command.cjs"]],
    ["deno", ["command.mjs"]],
    ["bun", ["command.mjs"]],
    ["cloudflare-workers", ["cloudflare-workers/worker.mjs", "cloudflare-workers/wrangler.jsonc"]],
    ["vercel-edge", ["vercel-edge/route.mjs"]],
    ["browsers", ["browser/index.html"]],
  ])("%s its example", (guide, files) => {
    const text = readFileSync(join(examples, `../../docs/guide/${guide}.md`), "utf8");
    for (const file of files) expect(text).toContain(readFileSync(join(examples, file), "utf8"));
  });
});

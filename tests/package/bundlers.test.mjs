import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import Table from "cli-table3";
import { afterAll, describe, expect, it } from "vitest";
import { chromium } from "../runtimes/drivers/browsers.mjs";
import { bundle as bundleFor, prepare } from "../runtimes/prepare.mjs";
import { buildPage, bundlers } from "./bundlers.mjs";

const project = prepare();
const { directory } = project;
cpSync(fileURLToPath(new URL("programs", import.meta.url)), join(directory, "programs"), { recursive: true });
const node = (...args) => JSON.parse(execFileSync(process.execPath, args, { cwd: directory, encoding: "utf8" }));
const reference = node("programs/command.mjs", "{}");
const hex = (name) => readFileSync(join(directory, `node_modules/lanewise/dist/wasm/${name}.wasm`)).toString("hex");

/** Letters that are found in a bundle only with what they stand for. */
const MARKS = {
  simd: hex("simd"),
  relaxed: hex("relaxed"),
  network: hex("nn"),
  optimizers: "epsPlacement",
  adam: hex("adam"),
  dropout: hex("dropout"),
};

const rows = [];

afterAll(() => {
  project.remove();
  mkdirSync("build", { recursive: true });
  writeFileSync("build/bundles.json", `${JSON.stringify(rows, undefined, 2)}\n`);
  const table = new Table({ head: ["bundler", "program", "bytes", "brotli", "main file, brotli", "files"] });
  for (const { bundler, program, bytes, compressed, main, files } of rows) {
    table.push([bundler, program, bytes, compressed, main, files]);
  }
  console.log(`${table}`);
});

/** Bundles a program; its main file, and which of the marks are in it. */
async function bundle(bundler, program) {
  const outdir = join(directory, "bundles", `${bundler} ${program}`);
  mkdirSync(outdir, { recursive: true });
  const main = await bundlers[bundler](join(directory, `programs/${program}.mjs`), outdir);
  const texts = readdirSync(outdir).map((name) => readFileSync(join(outdir, name)));
  const size = (text) => brotliCompressSync(text).length;
  const sum = (numbers) => numbers.reduce((total, n) => total + n, 0);
  rows.push({
    bundler,
    program,
    bytes: sum(texts.map((text) => text.length)),
    compressed: sum(texts.map(size)),
    main: size(readFileSync(join(outdir, main))),
    files: texts.length,
  });
  const all = texts.join("\n");
  const marks = Object.keys(MARKS).filter((name) => all.includes(MARKS[name]));
  return { file: join(outdir, main), marks };
}

describe.each(Object.keys(bundlers))("%s", (bundler) => {
  it("takes no optimizer and no network along with matmul", async () => {
    const { file, marks } = await bundle(bundler, "matmul");
    expect(node(file)).toEqual(["simd", [7, 10], [15, 22]]);
    expect(marks).toEqual(["simd", "relaxed"]);
  });

  it("takes no network along with RMSProp", async () => {
    const { file, marks } = await bundle(bundler, "rmsprop");
    expect(node(file)).toEqual(["simd", 2]);
    expect(marks).toEqual(["simd", "relaxed", "optimizers"]);
  });

  it("takes no Wasm along with lanewise/js", async () => {
    const { file, marks } = await bundle(bundler, "matmul-js");
    expect(node(file)).toEqual(["scalar-js", [7, 10], [15, 22]]);
    expect(marks).toEqual([]);
    expect(readFileSync(file, "utf8")).not.toContain("0061736d");
  });

  it("keeps the bits, and what is loaded on demand", async () => {
    const { file, marks } = await bundle(bundler, "command");
    expect(marks).toEqual(["simd", "relaxed", "network", "optimizers", "adam", "dropout"]);
    for (const threads of [1, 2]) {
      const report = node(file, JSON.stringify({ threads }));
      expect(report.reason).toMatch(threads === 1 ? /^simd passed its self-test$/ : /; 2 threads$/);
      expect(report.pieces).toEqual(reference.pieces);
    }
  });
});

it.each([
  ["workerd", "matmul", ["simd.wasm"]],
  ["workerd", "dense", ["nn.wasm", "regression.wasm", "simd.wasm"]],
  ["edge-light", "dense", []],
])("under the condition %s %s takes along the kernels that it uses", async (condition, program, expected) => {
  const folder = await bundleFor(directory, `programs/${program}.mjs`, "esm", [condition, "worker", "browser"]);
  const names = readdirSync(folder);
  expect(names.filter((name) => name.endsWith(".wasm")).sort()).toEqual(expected);
  expect(names.map((name) => readFileSync(join(folder, name), "latin1")).join("")).not.toContain("0061736d01");
});

it("vite's page works in Chromium, with threads", async () => {
  const page = await chromium(() => buildPage(directory))(project);
  try {
    const report = await page.run({ site: "isolated", threads: 2 });
    expect(report.reason).toMatch(/; 2 threads$/);
    expect(report.pieces).toEqual(reference.pieces);
  } finally {
    await page.stop();
  }
});

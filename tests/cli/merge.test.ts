// Reports of several runtimes beside each other.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DOMParser } from "linkedom";
import { afterAll, describe, expect, it } from "vitest";
import type { BackendName, Kind, Report, Result } from "../../measure/compare.js";
import { deviationOf, formatMarkdown } from "../../measure/markdown.js";

const folder = mkdtempSync(join(tmpdir(), "lanewise-merge-"));
afterAll(() => rmSync(folder, { recursive: true }));

function resultOf(kind: Kind, size: number, backend: BackendName, rate: number): Result {
  const median = 2;
  const unit = kind === "step" ? "G parameters/s" : "GFLOP/s";
  const threads = backend === "threads" ? 4 : 1;
  return { kind, size, backend, variant: "simd", threads, median, spread: [1.9, 2.2], samples: 9, rate, unit };
}

function reportOf(runtime: string, results: Result[]): Report {
  return { lanewise: "1.2.3", environment: { runtime, cpu: "2 × Some CPU", date: "2026-11-22" }, results };
}

function save(name: string, content: unknown): string {
  const file = join(folder, name);
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

function merge(...args: string[]) {
  const tsx = createRequire(import.meta.url).resolve("tsx/cli");
  const program = fileURLToPath(new URL("../../bench/merge.ts", import.meta.url));
  return spawnSync(process.execPath, [tsx, program, ...args], { encoding: "utf8" });
}

const node = reportOf("Node 20", [
  resultOf("step", 1024, "js", 0.125),
  resultOf("step", 1024, "wasm", 1.5),
  resultOf("product", 16, "wasm", 20),
  resultOf("product", 32, "wasm", 40),
]);
const bun = reportOf("Bun 1", [resultOf("product", 32, "wasm", 35), resultOf("product", 32, "threads", 70)]);

describe("the table", () => {
  it("has a row for each size, and a dash for who was not measured there", () => {
    const results = [...node.results, ...bun.results];
    const of = (backend: BackendName) => results.filter((result) => result.backend === backend);
    const table = formatMarkdown([
      { name: "A", results: node.results.filter(({ backend }) => backend === "wasm") },
      { name: "B", results: of("threads") },
    ]);
    expect(table.split("\n")).toEqual([
      "| RMSProp step of n parameters, G parameters/s | A |",
      "| --- | ---: |",
      "| 1,024 | 1.50 ± 7.5 % |",
      "",
      "| n × n × n matrix product, GFLOP/s | A | B |",
      "| --- | ---: | ---: |",
      "| 16 | 20.0 ± 7.5 % | – |",
      "| 32 | 40.0 ± 7.5 % | 70.0 ± 7.5 % |",
    ]);
  });

  it("tells half the interquartile range", () => {
    expect(deviationOf({ ...resultOf("step", 1, "js", 1), median: 4, spread: [3.9, 4.02] })).toBe("± 1.5 %");
  });
});

describe("npm run bench:merge", () => {
  const files = [save("node.json", node), save("bun.json", bun)];

  it("prints the environments and the table, and draws a line for each side", () => {
    const svg = join(folder, "chart.svg");
    const { status, stdout, stderr } = merge(...files, "--svg", svg);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("Node 20 | 2 × Some CPU | 2026-11-22\nBun 1 | 2 × Some CPU | 2026-11-22\n");
    expect(stdout).toContain("| n × n × n matrix product, GFLOP/s | Node 20, wasm | Bun 1, wasm | Bun 1, 4 threads |");
    expect(stdout).toContain("| 32 | 40.0 ± 7.5 % | 35.0 ± 7.5 % | 70.0 ± 7.5 % |");
    const chart = readFileSync(svg, "utf8");
    const document = new DOMParser().parseFromString(chart, "image/svg+xml").documentElement!;
    expect(document.querySelectorAll('g[aria-label="line"] path')).toHaveLength(3);
    for (const text of ["Node 20, wasm", "Bun 1, 4 threads", "2 × Some CPU | 2026-11-22", "GFLOP/s"]) {
      expect(chart).toContain(text);
    }
    expect(chart).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("draws steps where they are asked for", () => {
    const svg = join(folder, "steps.svg");
    expect(merge(files[0]!, "--svg", svg, "--kind", "step").status).toBe(0);
    expect(readFileSync(svg, "utf8")).toContain("RMSProp step of n parameters");
  });

  it.each<[string, unknown, RegExp]>([
    ["no JSON", "{", /no report of `lanewise bench --json`/],
    ["something else", { results: [] }, /no report/],
    ["a rate that is none", reportOf("A", [{ ...resultOf("step", 1, "js", 1), rate: "fast" as never }]), /no report/],
    ["an unknown kind", reportOf("A", [{ ...resultOf("step", 1, "js", 1), kind: "jump" as never }]), /no report/],
  ])("names a file with %s", (_, content, message) => {
    const file = save("wrong.json", content);
    const { status, stdout, stderr } = merge(files[0]!, file);
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(file);
    expect(stderr).toMatch(message);
  });

  it("names a file that is missing, and a chart of nothing", () => {
    expect(merge(join(folder, "missing.json")).stderr).toMatch(/ENOENT.*missing\.json/);
    const { status, stderr } = merge(files[1]!, "--kind", "step", "--svg", join(folder, "none.svg"));
    expect(status).toBe(1);
    expect(stderr).toContain("error: no step was measured");
  });
});

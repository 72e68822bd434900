import { mkdirSync, writeFileSync } from "node:fs";
import Table from "cli-table3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prepare } from "./prepare.mjs";
import { runtimes } from "./runtimes.mjs";

const project = prepare();
const rows = [];
let reference;

afterAll(() => {
  project.remove();
  mkdirSync("build", { recursive: true });
  writeFileSync("build/runtimes.json", `${JSON.stringify(rows, undefined, 2)}\n`);
  const table = new Table({ head: ["runtime", "version", "asked for", "backend", "variant", "threads", "digest"] });
  for (const { runtime, version, options, backend, variant, threads, digest } of rows) {
    const asked = JSON.stringify(options).replace(/[{}"]/g, "").replaceAll(",", ", ");
    table.push([runtime, version, asked, backend, variant, threads, digest]);
  }
  console.log(`${table}`);
});

describe.each(runtimes)("$name", ({ name, start, features, requests, timeout = 60_000 }) => {
  let runtime;
  beforeAll(async () => {
    runtime = await start(project);
  }, timeout);
  afterAll(() => runtime?.stop?.());

  it.each(requests)("$options", { timeout }, async ({ options, backend, variant, reason, fuses }) => {
    const report = await runtime.run(options);
    expect(report.error).toBeUndefined();
    reference ??= report;
    const digest = report.digest === reference.digest ? "same" : "differs";
    const threads = Number(/(\d+) threads/.exec(report.reason)?.[1] ?? 1);
    rows.push({ runtime: name, version: runtime.version, options, ...report, threads, digest });

    expect(report.reason).toMatch(reason);
    expect({ backend: report.backend, variant: report.variant }).toEqual({ backend, variant });
    const isolated = options.site === "isolated" && name !== "WebKitGTK" ? { threads: true } : {};
    expect(report.features).toEqual({ ...features, ...isolated, wide: variant === "wide" });
    if (fuses) return;
    expect(report.pieces).toEqual(reference.pieces);
    expect(report.digest).toBe(reference.digest);
  });
});

it("hashes pieces that differ from each other", () => {
  const digests = Object.values(reference.pieces);
  expect(digests.length).toBeGreaterThan(5);
  expect(new Set(digests).size).toBe(digests.length);
});

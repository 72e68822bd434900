// The bench's own parts: a comparison that misses nothing, shapes that are what they claim, ratios the right way round.
import { describe, expect, it } from "vitest";
import { type Contestant, storedShapes } from "../../bench/contestant.js";
import { productJob } from "../../bench/gemm.bench.js";
import { stepJob } from "../../bench/optim.bench.js";
import { plainLoop } from "../../bench/plain.js";
import { formatFamily } from "../../bench/report.js";
import { type Job, run } from "../../bench/run.js";
import { bytesOf, flopsOf, SHAPES } from "../../bench/shapes.js";
import { checkSame, checkWithin } from "../../measure/check.js";
import type { Task } from "../../measure/task.js";

const floats = (...values: number[]) => Float32Array.of(...values);

describe("shapes", () => {
  it("of layers have an origin each, and no two rows of a family the same name", () => {
    for (const { origin } of SHAPES["layers"]!.shapes) expect(origin).toMatch(/.+: .+/);
    for (const { shapes } of Object.values(SHAPES)) {
      const rows = shapes.map(({ name, origin }) => `${name}, ${origin}`);
      expect(new Set(rows).size).toBe(rows.length);
    }
  });

  it("count operations and bytes, and store transposed operands transposed", () => {
    const batched = { m: 2, n: 3, k: 5, batch: 7, transposeA: true, transposeB: false, fused: false };
    expect(flopsOf(batched)).toBe(2 * 7 * 2 * 3 * 5);
    expect(bytesOf(batched)).toBe(4 * 7 * (10 + 15 + 6));
    expect(storedShapes(batched)).toEqual({ a: [7, 5, 2], b: [7, 5, 3] });
    expect(storedShapes({ ...batched, batch: 1, transposeA: false, transposeB: true })).toEqual({
      a: [2, 5],
      b: [3, 5],
    });
  });
});

/** The parameters and gradients that a step's job hands out. */
function startOf(job: Job): [parameters: Float32Array, gradients: Float32Array] {
  let start: [Float32Array, Float32Array] | undefined;
  const spy: Contestant = {
    name: "spy",
    step(_, parameters, gradients) {
      start = [parameters, gradients];
      return undefined;
    },
  };
  job.start(spy);
  return start!;
}

describe("comparison of results", () => {
  it("refuses what is beyond its bound, NaN and another length", () => {
    checkWithin("a", floats(1, 2), floats(1, 2.5), floats(0, 0.5));
    expect(() => checkWithin("a", floats(1, 2), floats(1, 2.5), floats(1, 0.4))).toThrow("a: element 1 is 2");
    expect(() => checkWithin("a", floats(Number.NaN), floats(1), floats(9))).toThrow("element 0");
    expect(() => checkWithin("a", floats(1), floats(1, 1), floats(9, 9))).toThrow("1 numbers, expected 2");
    checkSame("a", floats(1, Number.NaN), floats(1, Number.NaN));
    expect(() => checkSame("a", floats(1 + 2 ** -23), floats(1))).toThrow("element 0");
    expect(() => checkSame("a", floats(-0), floats(0))).toThrow("element 0");
  });

  it.each([
    ["a product", productJob(SHAPES["odd"]!.shapes[1]!, "GFLOP/s", [])],
    ["a step", stepJob("RMSProp", { rule: "lanewise" }, 1000, [])],
  ])("of %s accepts itself, and not a neighbor's mistake", async (_, job: Job) => {
    const wrong = { ...plainLoop, name: "wrong" };
    const row = await run(job, [plainLoop, { ...plainLoop, name: "again" }], 1);
    expect(row.timings.map(({ name }) => name)).toEqual(["plain loop", "again"]);
    const mistaken: Job = {
      ...job,
      async start(contestant) {
        const task: Task = (await job.start(contestant))!;
        if (contestant !== wrong) return task;
        return { ...task, read: () => task.read().map((value, i) => (i === 7 ? value + 1e-3 : value)) };
      },
    };
    await expect(run(mistaken, [plainLoop, wrong], 1)).rejects.toThrow(/wrong: element 7/);
  });

  it("of a gauge that must have the same bits accepts no other", async () => {
    const job = stepJob("RMSProp", { rule: "lanewise" }, 8, []);
    const withGauge = (result: (steps: number) => Float32Array, exact: boolean): Job => {
      return { ...job, gauges: [{ name: "gauge", sample: () => 1, result, exact }] };
    };
    const steps = (count: number) => {
      const task = plainLoop.step!({ rule: "lanewise" }, ...startOf(job))!;
      for (let step = 0; step < count; step++) task.run();
      return task.read();
    };
    const nearly = (count: number) => steps(count).map((value) => value * (1 + 2 ** -23));
    await run(withGauge(steps, true), [plainLoop], 1);
    await run(withGauge(nearly, false), [plainLoop], 1);
    await expect(run(withGauge(nearly, true), [plainLoop], 1)).rejects.toThrow(/gauge: element/);
  });

  it("names in a note whoever cannot do the work", async () => {
    const broken = {
      name: "broken",
      product() {
        throw new Error("no such thing");
      },
    };
    const row = await run(productJob(SHAPES["square"]!.shapes[0]!, "GFLOP/s", []), [plainLoop, broken], 1);
    expect(row.timings.map(({ name }) => name)).toEqual(["plain loop"]);
    expect(row.notes).toEqual(["broken: no such thing"]);
    await expect(run(productJob(SHAPES["square"]!.shapes[0]!, "GFLOP/s", []), [broken], 1)).rejects.toThrow("no such");
  });
});

describe("tables", () => {
  const timings = [
    { name: "simd", best: 0.99, median: 1 },
    { name: "peer 1", best: 4, median: 4 },
    { name: "other 2", best: 1.94, median: 2 },
    { name: "native", best: 0.5, median: 0.5 },
  ];
  const sides = ["simd", "wide", "peer 1", "other 2", "native"];
  const rows = [{ name: "8 × 8 × 8", unit: "GFLOP/s" as const, amount: 1e6, timings, notes: [] }];

  it("show rates, the fastest of the others, and percent of the limit", () => {
    const table = formatFamily({ title: "square", rows }, sides, [
      { head: "of native", side: "simd", against: ["native"], percent: true },
      { head: "/ best", side: "simd", against: ["peer 1", "other 2"] },
      { head: "wide / simd", side: "wide", against: ["simd"] },
    ]);
    const cells = table.split("\n").find((line) => line.includes("8 × 8 × 8"))!;
    expect(cells.split("│").map((cell) => cell.trim())).toEqual([
      "",
      "8 × 8 × 8",
      "1.00",
      "0.250",
      "0.500",
      "2.00",
      "+ 3 %",
      "50 %",
      "2.00 other",
      "",
    ]);
    expect(table).not.toContain("wide");
  });

  it("show times as times", () => {
    const table = formatFamily({ title: "calls", rows: [{ ...rows[0]!, unit: "time" }] }, sides, []);
    expect(table).toContain("1.00 ms");
    expect(table).toContain("500 µs");
  });
});

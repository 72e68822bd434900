import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { bytesFor } from "../../src/backend/wasm/instantiate.js";
import { proveWide } from "../../src/backend/wasm/wide/prove.js";
import { compileWide } from "../../src/backend/wasm/wide/revectorize.js";
import { warmUpCore } from "../../src/backend/wasm/wide/warm-up.js";
import { fill } from "../../src/backend/wasm/wide/warm-up-steps.js";
import { Adam, createCore, createCoreSync, matmul, RMSProp, SGD } from "../../src/entry/inline.js";
import { canWiden } from "../helpers/conformance.js";

const memory = new WebAssembly.Memory({ initial: 1 });
const hex = (name: string) => readFileSync(new URL(`../../build/wasm/${name}.wasm`, import.meta.url)).toString("hex");
const bytes = (name: string) => bytesFor(memory, hex(name));

describe.runIf(canWiden)("wide mode where V8 widens", () => {
  it("is taken, and says so by what was measured", async () => {
    for (const options of [{ wide: true }, { wide: true, threads: 2 }]) {
      const core = await createCore(options);
      expect(core.variant, core.reason).toBe("wide");
      expect(core.features.wide).toBe(true);
      expect(core.reason).toMatch(/wide passed its self-test, \d\.\d × the 128-bit kernels/);
      core.dispose();
    }
    const relaxed = await createCore({ wide: true, arithmetic: "relaxed" });
    expect(relaxed.variant, relaxed.reason).toBe("relaxed-wide");
  });

  it("has the bits of the 128-bit kernels, in products and in steps", async () => {
    const results = [true, false].map(async (wide) => {
      const core = await createCore({ wide });
      const a = core.tensor([93, 71], (i) => Math.sin(i) * 3);
      const b = core.tensor([71, 85], (i) => Math.cos(3 * i));
      const c = matmul(a, b, { bias: core.tensor([85], (i) => i / 9), activation: "tanh" });
      const optimizers = [
        new RMSProp(core, { a }, { centered: true, momentum: 0.9, weightDecay: 0.01 }),
        new SGD(core, { b }, { momentum: 0.5, nesterov: true }),
      ];
      for (let step = 0; step < 5; step++) {
        optimizers[0]!.step({ a: core.tensor([93, 71], (i) => Math.cos(i + step)) });
        optimizers[1]!.step({ b: core.tensor([71, 85], (i) => Math.sin(i - step)) });
      }
      return [a, b, c].map(({ data }) => new Uint32Array(data.slice().buffer));
    });
    const [wide, narrow] = await Promise.all(results);
    expect(wide).toEqual(narrow);
  });

  it("has them on two threads, in steps of which a worker computes a share", async () => {
    const count = 400_003;
    const results = [{ wide: true, threads: 2 }, {}].map(async (options) => {
      const core = await createCore(options);
      const grad = core.tensor([count], (i) => Math.cos(i));
      const params = Array.from({ length: 6 }, () => core.tensor([count], (i) => Math.sin(i)));
      const forms = [{}, { momentum: 0.9 }, { centered: true, eps: 0.1 }, { centered: true, momentum: 0.9, eps: 0.1 }];
      const optimizers = [
        ...forms.map((form, i) => new RMSProp(core, params[i]!, form)),
        new Adam(core, params[4]!, { globalClipNorm: 1 }),
        new SGD(core, params[5]!, { momentum: 0.9, nesterov: true }),
      ];
      for (let step = 0; step < 3; step++) for (const optimizer of optimizers) optimizer.step(grad);
      const bits = params.map(({ data }) => new Uint32Array(data.slice().buffer));
      core.dispose();
      return bits;
    });
    const [wide, narrow] = await Promise.all(results);
    for (const [i, bits] of wide!.entries()) expect(bits.findIndex((word, k) => word !== narrow![i]![k])).toBe(-1);
  });

  /** A clock by which products take so long, in turns. */
  function clockOf(wide: number, narrow: number): () => number {
    let [calls, time] = [0, 0];
    return () => {
      const call = calls++ % 4;
      if (call % 2 === 1) time += call === 1 ? wide : narrow;
      return time;
    };
  }

  it("takes kernels that are faster, and refuses those that are not", () => {
    const prove = (wide: number, narrow: number) =>
      proveWide(new WebAssembly.Module(bytes("simd")), bytes("simd"), memory, clockOf(wide, narrow));
    expect(prove(1, 2)).toBe(2);
    expect(prove(4, 4.75)).toBeCloseTo(1.1875);
    expect(() => prove(1, 1)).toThrow(/it ran at 1\.00 × the speed/);
    expect(() => prove(2, 1)).toThrow(/it ran at 0\.50 × the speed/);
  });

  it("refuses kernels whose bits differ", () => {
    const [add, subtract] = ["fde401", "fde501"]; // f32x4.add, f32x4.sub
    const wrong = bytesFor(memory, hex("wide").replaceAll(add, subtract));
    expect(() =>
      proveWide(
        compileWide(wrong, () => {}, memory),
        bytes("simd"),
        memory,
      ),
    ).toThrow(/its bits differ/);
  });
});

describe.runIf(!canWiden)("wide mode where V8 does not widen", () => {
  it("is refused, and the 128-bit kernels run", async () => {
    const core = await createCore({ wide: true });
    expect([core.variant, core.features.wide]).toEqual(["simd", false]);
    expect(core.reason).toMatch(/wide was refused: V8 widens in Node 24 and later on x64 only; simd passed/);
  });
});

describe("the run that widens the kernels", () => {
  // V8 widens a function when it optimizes it, so a function that this run leaves out would stay at 128 bits unnoticed.
  it("enters every function that computes with vectors", () => {
    const tool = (name: string, ...args: string[]) =>
      execFileSync(
        process.execPath,
        [fileURLToPath(new URL(`../../node_modules/binaryen/bin/${name}`, import.meta.url)), "--all-features", ...args],
        { encoding: "utf8", maxBuffer: 2 ** 28 },
      );
    const folder = mkdtempSync(join(tmpdir(), "lanewise-"));
    const logged = join(folder, "logged.wasm");
    tool("wasm-opt", "build/wasm/wide.wasm", "--log-execution", "-o", logged);
    const functions = tool("wasm-dis", logged).match(/^ \(func .*?^ \)$/gms)!;
    const own = new WebAssembly.Memory({ initial: 8, maximum: 8 });
    const seen = new Set<number>();
    const module = new WebAssembly.Module(readFileSync(logged));
    rmSync(folder, { recursive: true });
    fill(own);
    warmUpCore(
      new WebAssembly.Instance(module, { env: { memory: own, log_execution: (id: number) => seen.add(id) } }).exports,
      own,
    );
    const vectors = functions.filter((text) => text.includes("(f32x4."));
    const left = vectors.filter(
      (text) => !seen.has(Number(/\(call \$fimport\$0\s+\(i32\.const (\d+)\)/.exec(text)![1])),
    );
    expect(vectors.length).toBeGreaterThan(8);
    expect(left.map((text) => text.slice(0, 200))).toEqual([]);
  });
});

describe("createCoreSync", () => {
  it("cannot load what is loaded on demand", () => {
    const core = createCoreSync({ wide: true });
    expect([core.variant, core.features.wide]).toEqual(["simd", false]);
    expect(core.reason).toMatch(/wide was refused: it is loaded on demand: use createCore/);
  });
});

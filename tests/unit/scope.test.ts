import { execFileSync } from "node:child_process";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { matmul, OptionError, RMSProp, ShapeError, type Tensor } from "../../src/index.js";
import { dense, Sequential } from "../../src/nn/index.js";
import { backends, makeCore } from "../helpers/cores.js";

describe.each(backends)("core.scope on %s", (backend) => {
  it("frees what was made inside, but for what it returns", () => {
    const core = makeCore(backend);
    const a = core.tensor([8, 8], (i) => i);
    const { bytesInUse } = core.memory;
    let inner: Tensor | undefined;
    const y = core.scope(() => {
      inner = matmul(a, a);
      return matmul(inner, a);
    });
    expect(() => inner!.data).toThrow(/disposed|dispose\(\)/);
    expect(y.data[0]).toBeGreaterThan(0);
    y.dispose();
    const makes: (() => object)[] = [() => [core.tensor([9]), 5], () => ({ a: core.tensor([9]), b: null })];
    for (const make of makes) {
      const result = core.scope(() => {
        core.tensor([100]);
        return core.scope(make);
      });
      for (const part of Object.values(result))
        if (part !== null && typeof part === "object") (part as Tensor).dispose();
    }
    expect(core.scope(() => core.tensor([3]).size)).toBe(3);
    expect(() =>
      core.scope(() => {
        core.tensor([5]);
        throw new RangeError("mine");
      }),
    ).toThrow("mine");
    expect(() => core.scope(async () => core.tensor([5]))).toThrow(OptionError);
    expect(() => core.scope(5 as never)).toThrow(/make is 5, expected a function/);
    expect(core.memory.bytesInUse - bytesInUse).toBeLessThan(30_000); // scratch of the products
  });

  it("leaves the parameters of models and the state of optimizers alone", () => {
    const core = makeCore(backend);
    const { model, optimizer } = core.scope(() => {
      const model = new Sequential(core, [dense(3, 2)]);
      return { model, optimizer: new RMSProp(core, model.parameters) };
    });
    expect(model.predict([1, 2, 3]).size).toBe(2);
    optimizer.step({ "0.weight": new Float32Array(6).fill(1), "0.bias": new Float32Array(2) });
  });
});

describe("tensors", () => {
  const core = makeCore("js");

  it("show what they are", () => {
    const tensor = core.tensor([2, 2], [1, 2.5, -3, Number.NaN]);
    expect(inspect(tensor)).toBe("Tensor [2, 2] (1, 2.5, -3, NaN)");
    expect(String(core.tensor([200]))).toMatch(/^Tensor \[200\] \(0, .*, …\)$/);
    const gone = core.tensor([3]);
    gone.dispose();
    expect(inspect({ gone })).toBe("{ gone: Tensor [3] (disposed) }");
    expect(tensor.toArray()[1][0]).toBe(-3);
    const rows: number[][] = tensor.toArray<number[][]>();
    expect(rows[0]).toEqual([1, 2.5]);
  });

  it.each([
    ["undefined", () => undefined],
    ['"2"', () => "2"],
    ["Promise", async () => 1],
    ["Array(1)", () => [1]],
    ["1n", () => 1n],
    ["null", () => null],
  ])("refuse a function that returns %s", (text, source) => {
    const { bytesInUse } = core.memory;
    expect(() => core.tensor([3], source as never)).toThrow(OptionError);
    expect(() => core.tensor([3], source as never)).toThrow(`source(0) returned ${text}, expected a number`);
    expect(core.memory.bytesInUse).toBe(bytesInUse);
  });

  it.each([
    [["2", "3"], 'shape is ["2","3"], expected integers >= 0'],
    [[2n], "shape is [2n], expected integers >= 0"],
    [[1.5, Number.NaN], "shape is [1.5,NaN], expected integers >= 0"],
    ["x".repeat(1000), `shape is "${"x".repeat(60)}…", expected an array of integers >= 0`],
    [Object.create(null), "shape is object, expected an array of integers >= 0"],
    [() => 1, "shape is a function, expected an array of integers >= 0"],
    [new DataView(new ArrayBuffer(8)), "shape is DataView(8 bytes), expected an array of integers >= 0"],
  ])("say what a wrong shape was: %s", (shape, message) => {
    expect(() => core.tensor(shape as never)).toThrow(ShapeError);
    expect(() => core.tensor(shape as never)).toThrow(message);
  });

  it("of another copy of the package are recognized", async () => {
    // Vite resolves a path with another query to another instance of the module.
    const other = (await import("../../src/tensor.js?copy" as string)) as typeof import("../../src/tensor.js");
    const foreign = new other.Tensor(core, [1, 1], 64);
    expect(() => matmul(foreign as never, core.tensor([1, 1]))).toThrow(
      "a is Tensor, expected a Tensor: this Tensor is from another copy of lanewise, which is installed or bundled twice",
    );
  });
});

/** What a script writes that imports Lanewise from its sources, warnings included. */
function outputOf(script: string): string {
  const source = `
    import { createCoreSync } from "./src/entry/inline.js";
    console.warn = (text) => console.log(text);
    const core = createCoreSync({ backend: "js", memory: { initialBytes: 2 ** 26 } });
    async function collect() {
      for (let i = 0; i < 5; i++) { globalThis.gc(); await new Promise((done) => setTimeout(done, 5)); }
    }
    ${script}`;
  const args = ["--import", "tsx", "--expose-gc", "--input-type=module", "--eval", source];
  return execFileSync(process.execPath, args, { encoding: "utf8" });
}

it("dropping tensors without dispose is told once", () => {
  const output = outputOf(`
    for (let i = 0; i < 40; i++) core.tensor([2 ** 18]);
    await collect();
    const kept = Array.from({ length: 40 }, () => core.tensor([2 ** 10]));
    for (const tensor of kept) tensor.dispose();
  `);
  expect(output.trim().split("\n")).toHaveLength(1);
  expect(output).toMatch(
    /tensors were garbage-collected without dispose\(\), and \d+ MiB of linear memory are still in use/,
  );
});

it("dropping tensors of a disposed core is no leak", () => {
  const output = outputOf(`
    for (let i = 0; i < 40; i++) core.tensor([2 ** 18]);
    core.dispose();
    await collect();
    console.log("collected");
  `);
  expect(output).toBe("collected\n");
});

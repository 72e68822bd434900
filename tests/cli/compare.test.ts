// The measuring that the command and pages share: what it yields, that it compares bits, and that it cleans up.
import { type Core, type CoreOptions, createCore, matmul, RMSProp } from "lanewise";
import { describe, expect, it } from "vitest";
import { type CompareOptions, compare, type Result } from "../../measure/compare.js";
import { environment } from "../../measure/environment.js";

/** A clock that every look at it moves on by the same time: all runs last as long. */
function fakeClock(milliseconds = 0.25): () => number {
  let time = 0;
  return () => {
    time += milliseconds;
    return time;
  };
}

/** Options for small sizes, and the cores that were made with them. */
function small(options: Partial<CompareOptions> = {}) {
  const cores: Core[] = [];
  const sizes = { step: [100], product: [8, 9] };
  const make: CompareOptions["createCore"] = async (coreOptions) => {
    cores.push(await createCore(coreOptions));
    return cores.at(-1)!;
  };
  return { cores, options: { createCore: make, matmul, RMSProp, sizes, samples: 3, now: fakeClock(), ...options } };
}

/** Bytes of memory: none once a core is disposed. */
const reserved = ({ memory }: Core) => memory.bytesReserved;

async function collect(options: CompareOptions): Promise<Result[]> {
  const results: Result[] = [];
  for await (const result of compare(options)) results.push(result);
  return results;
}

describe("compare", () => {
  it("yields steps, then products, on each backend, with rates that are work by time", async () => {
    const { cores, options } = small({ threads: 2 });
    const results = await collect(options);
    const rows = results.map(({ kind, size, backend, variant, threads }) => [kind, size, backend, variant, threads]);
    const backends = [
      ["js", "scalar-js", 1],
      ["wasm", "simd", 1],
      ["threads", "simd", 2],
    ];
    const jobs = [
      ["step", 100],
      ["product", 8],
      ["product", 9],
    ];
    expect(rows).toEqual(jobs.flatMap((job) => backends.map((backend) => [...job, ...backend])));
    for (const { kind, size, median, spread, samples, rate, unit } of results) {
      expect({ median, spread, samples }).toEqual({ median: 0.25, spread: [0.25, 0.25], samples: 3 });
      const [work, name] = kind === "step" ? [size, "G parameters/s"] : [2 * size ** 3, "GFLOP/s"];
      expect(unit).toBe(name);
      expect(rate).toBeCloseTo(work / 0.25e-3 / 1e9, 12);
    }
    expect(cores.map(reserved)).toEqual([0, 0, 0]);
  });

  it("leaves out what is unavailable here", async () => {
    const { cores, options } = small({ threads: 2 });
    const withoutWasm = (_?: CoreOptions) => options.createCore({ backend: "js" });
    const results = await collect({ ...options, createCore: withoutWasm });
    expect(results.map(({ backend }) => backend)).toEqual(["js", "js", "js"]);
    expect(cores.map(reserved)).toEqual([0, 0, 0]);
  });

  it("refuses results that differ in one bit, before it measures", async () => {
    const { cores, options } = small();
    const wrong: typeof matmul = (a, b, given) => {
      const out = matmul(a, b, given);
      if (a.core.backend === "wasm") out.data[3] = out.data[3]! * (1 + 2 ** -23);
      return out;
    };
    const measured: string[] = [];
    const run = async () => {
      for await (const { kind } of compare({ ...options, matmul: wrong })) measured.push(kind);
    };
    await expect(run()).rejects.toThrow(/^product of 8, wasm: element 3 is /);
    expect(measured).toEqual(["step", "step"]);
    expect(cores.map(reserved)).toEqual([0, 0]);
  });

  it("ends with the signal's reason, lets others run, and frees its cores", async () => {
    const abort = new AbortController();
    const { cores, options } = small({ samples: 1e6, signal: abort.signal });
    let turns = 0;
    const timer = setInterval(() => {
      if (++turns === 5) abort.abort(new Error("enough"));
    }, 1);
    await expect(collect(options)).rejects.toThrow(/^enough$/);
    clearInterval(timer);
    expect(turns).toBe(5);
    expect(cores.map(reserved)).toEqual([0, 0]);
  });

  it("frees its cores when the caller leaves", async () => {
    const { cores, options } = small();
    for await (const { backend } of compare(options)) {
      expect(backend).toBe("js");
      break;
    }
    expect(cores.map(reserved)).toEqual([0, 0]);
  });
});

describe("environment", () => {
  const day = new Date("2026-11-22T10:00:00Z");
  const process = {
    versions: { node: "20.20.2", v8: "11.3" },
    platform: "linux",
    arch: "x64",
    getBuiltinModule: () => ({ cpus: () => [{ model: "Some CPU " }, { model: "Some CPU " }] }),
  };
  const machine = { cpu: "2 × Some CPU", platform: "linux x64", date: "2026-11-22" };

  it.each([
    ["Node", { process }, { runtime: "Node 20.20.2", engine: "V8 11.3", ...machine }],
    [
      "Deno",
      { process, Deno: { version: { deno: "2.9.6", v8: "15.0" } } },
      { runtime: "Deno 2.9.6", engine: "V8 15.0", ...machine },
    ],
    ["Bun", { process, Bun: { version: "1.4.5" } }, { runtime: "Bun 1.4.5", engine: "JavaScriptCore", ...machine }],
    [
      "Firefox",
      {
        navigator: {
          userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
          platform: "Linux x86_64",
          hardwareConcurrency: 2,
        },
      },
      {
        runtime: "Firefox 153.0",
        engine: "SpiderMonkey",
        cpu: "2 processors",
        platform: "Linux x86_64",
        date: "2026-11-22",
      },
    ],
    [
      "Edge, which is Chrome and Safari as well",
      { navigator: { userAgent: "Mozilla/5.0 … AppleWebKit/537.36 … Chrome/156.0.0.0 Safari/537.36 Edg/156.0.1.0" } },
      { runtime: "Edge 156.0.1.0", engine: "V8", date: "2026-11-22" },
    ],
    [
      "Safari",
      {
        navigator: { userAgent: "Mozilla/5.0 … AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15" },
      },
      { runtime: "Safari 26.0", engine: "JavaScriptCore", date: "2026-11-22" },
    ],
    ["nothing that is known", {}, { runtime: "unknown", date: "2026-11-22" }],
  ])("knows %s", (_, scope, expected) => {
    expect(environment(scope, day)).toEqual(expected);
  });

  it("leaves the processor out where the user does not allow to see it", () => {
    const denied = () => {
      throw new Error("NotCapable");
    };
    const { cpu } = environment({ process: { ...process, getBuiltinModule: denied } }, day);
    expect(cpu).toBeUndefined();
  });

  it("knows this runtime", () => {
    expect(environment().runtime).toBe(`Node ${globalThis.process.versions.node}`);
  });
});

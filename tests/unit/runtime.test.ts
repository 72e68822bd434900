import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const script = fileURLToPath(new URL("../helpers/digest.mjs", import.meta.url));

function digest(
  flags: string[],
  backend: string,
  threads = 1,
): { backend: string; reason: string; loss: number; digest: string } {
  return JSON.parse(execFileSync(process.execPath, [...flags, script, backend, `${threads}`], { encoding: "utf8" }));
}

describe("the built package", () => {
  const reference = digest([], "wasm");

  it("trains in Wasm", () => {
    expect(reference.backend).toBe("wasm");
    expect(reference.loss).toBeLessThan(1.7);
    expect(reference.loss).toBeGreaterThan(0);
  });

  it("gives the same bits in JavaScript", () => {
    const js = digest([], "js");
    expect(js.backend).toBe("js");
    expect(js.digest).toBe(reference.digest);
  });

  it.each([2, 3])("gives the same bits on %i threads", (threads) => {
    const threaded = digest([], "wasm", threads);
    expect(threaded.reason).toMatch(`; ${threads} threads`);
    expect(threaded.digest).toBe(reference.digest);
  });

  it("works where WebAssembly does not exist", () => {
    const jitless = digest(["--jitless"], "auto");
    expect(jitless.backend).toBe("js");
    expect(jitless.reason).toMatch(/WebAssembly does not exist/);
    expect(jitless.digest).toBe(reference.digest);
  });

  it("works where Wasm has no SIMD", () => {
    const scalar = digest(["--no-enable-sse4-1"], "auto");
    expect(scalar.backend).toBe("js");
    expect(scalar.reason).toMatch(/no Wasm SIMD/);
    expect(scalar.digest).toBe(reference.digest);
  });
});

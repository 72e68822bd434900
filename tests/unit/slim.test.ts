import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { createCore, createCoreSync, matmul, OptionError } from "../../src/entry/slim.js";

const bytes = readFileSync(new URL("../../build/wasm/simd.wasm", import.meta.url));

function expectToWork(core: ReturnType<typeof createCoreSync>): void {
  expect([core.backend, core.variant]).toEqual(["wasm", "simd"]);
  const a = core.tensor([2, 2], [1, 2, 3, 4]);
  expect(matmul(a, a).toArray()).toEqual([
    [7, 10],
    [15, 22],
  ]);
}

describe("lanewise/slim", () => {
  it("takes Wasm in any form, or a promise of it", async () => {
    const module = new WebAssembly.Module(bytes);
    const response = () => new Response(bytes, { headers: { "Content-Type": "application/wasm" } });
    const forms = [
      module,
      bytes,
      new Uint8Array(bytes).buffer,
      response(),
      Promise.resolve(module),
      Promise.resolve(response()),
    ];
    for (const wasm of forms) expectToWork(await createCore({ wasm }));
    for (const wasm of [module, bytes, new Uint8Array(bytes).buffer]) expectToWork(createCoreSync({ wasm }));
  });

  it("fetches a URL, reads a file", async () => {
    const server = createServer((_, response) => {
      response.setHeader("Content-Type", "application/wasm");
      response.end(bytes);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    try {
      expectToWork(await createCore({ wasm: new URL(`http://127.0.0.1:${port}/simd.wasm`) }));
      expectToWork(await createCore({ wasm: new URL("../../build/wasm/simd.wasm", import.meta.url) }));
    } finally {
      server.close();
    }
  });

  it("takes a Module of another realm", async () => {
    const wasm = runInNewContext("new WebAssembly.Module(bytes)", { bytes });
    expect(wasm instanceof WebAssembly.Module).toBe(false);
    expectToWork(await createCore({ wasm }));
    expectToWork(createCoreSync({ wasm }));
  });

  it("falls back to JavaScript, and says why", async () => {
    const core = await createCore({ wasm: Promise.reject(new Error("404 Not Found")) });
    expect([core.backend, core.reason]).toEqual(["js", "simd was refused: 404 Not Found"]);
    const early = createCoreSync({ wasm: Promise.resolve(bytes) });
    expect(early.backend).toBe("js");
    expect(early.reason).toMatch(/needs the asynchronous createCore/);
    expect(createCoreSync({ wasm: bytes.subarray(0, 100) }).backend).toBe("js");
  });

  it("runs on threads from any form; a Module has to be made for them", async () => {
    const threaded = new WebAssembly.Module(
      readFileSync(new URL("../../dist/wasm/simd-threads.wasm", import.meta.url)),
    );
    const response = () => new Response(bytes, { headers: { "Content-Type": "application/wasm" } });
    for (const wasm of [bytes, response(), threaded]) {
      using core = await createCore({ wasm, threads: 2 });
      expectToWork(core);
      expect(core.reason).toMatch(/; 2 threads$/);
    }
    for (const wasm of [new WebAssembly.Module(bytes), Promise.resolve(new WebAssembly.Module(bytes))]) {
      using core = await createCore({ wasm, threads: 2 });
      expectToWork(core);
      expect(core.reason).toMatch(/simd over shared memory was refused: .*; one thread: the memory is not shared$/);
    }
  });

  it("takes bytes for a shared memory synchronously, and a response of any type, but not of an error", async () => {
    const attach = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
    let top = 64;
    const allocate = (size: number) => {
      top += size;
      return top - size;
    };
    expectToWork(createCoreSync({ wasm: bytes, memory: { attach, allocate, free() {} } }));
    expectToWork(await createCore({ wasm: new Response(bytes) }));
    const missing = await createCore({ wasm: new Response("not here", { status: 404 }) });
    expect([missing.backend, missing.reason]).toEqual(["js", "simd was refused: the response has status 404"]);
  });

  it("does not widen", async () => {
    using core = await createCore({ wasm: bytes, wide: true });
    expectToWork(core);
    expect([core.features.wide, core.reason]).toEqual([
      false,
      "wide was refused: lanewise/slim has no wide mode; simd passed its self-test",
    ]);
  });

  it("does not take a binary that fuses for one that reproduces", () => {
    // Node has relaxed SIMD from version 21 on, before that behind a flag.
    const relaxed = fileURLToPath(new URL("../../build/wasm/relaxed.wasm", import.meta.url));
    const entry = new URL("../../dist/default/slim.js", import.meta.url).href;
    const program = `
      import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
      import { createCoreSync } from ${JSON.stringify(entry)};
      const wasm = readFileSync(${JSON.stringify(relaxed)});
      const { backend, variant, reason } = createCoreSync({ wasm });
      console.log(JSON.stringify({ backend, reason, relaxed: createCoreSync({ wasm, arithmetic: "relaxed" }).variant }));
    `;
    const relaxedFlag = Number.parseInt(process.versions.node, 10) < 21 ? ["--experimental-wasm-relaxed-simd"] : [];
    const output = execFileSync(process.execPath, [...relaxedFlag, "--input-type=module", "-e", program], {
      encoding: "utf8",
    });
    expect(JSON.parse(output)).toEqual({
      backend: "js",
      reason: "simd was refused: the given Wasm is not simd.wasm",
      relaxed: "relaxed",
    });
  });

  it("asks for its Wasm", async () => {
    await expect(createCore({} as never)).rejects.toThrow(OptionError);
    expect(() => createCoreSync(undefined as never)).toThrow(/wasm is missing/);
  });
});

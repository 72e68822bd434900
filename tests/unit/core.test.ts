import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it, vi } from "vitest";
import type { CoreKernels } from "../../src/backend/families/core.js";
import { embeddedWasm } from "../../src/backend/wasm/embedded.js";
import { createCoreFrom, createCoreSyncFrom } from "../../src/core.js";
import { createCore, createCoreSync } from "../../src/entry/inline.js";
import { createCoreSync as createJsCoreSync } from "../../src/entry/js.js";
import {
  BackendError,
  DisposedError,
  matmul,
  OptionError,
  OutOfMemoryError,
  RMSProp,
  ShapeError,
} from "../../src/index.js";
import { backends, expectUnchanged, makeCore } from "../helpers/cores.js";

describe("createCore", () => {
  it("takes Wasm SIMD where it works, and says so", async () => {
    for (const core of [await createCore(), createCoreSync()]) {
      expect(core.backend).toBe("wasm");
      expect(core.variant).toBe("simd");
      expect(core.reason).toBe("simd passed its self-test");
      expect(core.features.simd).toBe(true);
      expect(core.features.wide).toBe(false);
    }
  });

  it("takes JavaScript when asked, and where the entry point carries no Wasm", () => {
    const asked = createCoreSync({ backend: "js" });
    expect([asked.backend, asked.variant]).toEqual(["js", "scalar-js"]);
    expect(asked.reason).toMatch(/was asked for/);
    const bare = createJsCoreSync();
    expect(bare.backend).toBe("js");
    expect(bare.reason).toMatch(/carries no Wasm/);
    expect(() => createJsCoreSync({ backend: "wasm" })).toThrow(BackendError);
  });

  it("falls back to JavaScript where Wasm is missing, and says why", async () => {
    vi.stubGlobal("WebAssembly", undefined);
    try {
      const core = await createCore();
      expect(core.backend).toBe("js");
      expect(core.reason).toMatch(/WebAssembly does not exist/);
      expect(core.features.simd).toBe(false);
      await expect(createCore({ backend: "wasm" })).rejects.toThrow(/WebAssembly does not exist/);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  const refuse = () => {
    throw new Error("Wasm code generation disallowed by embedder");
  };

  it("falls back when compilation is refused, synchronously or not", async () => {
    const source = { instantiate: async () => refuse(), instantiateSync: refuse, loadThreads: refuse };
    for (const core of [await createCoreFrom(source), createCoreSyncFrom(source)]) {
      expect(core.backend).toBe("js");
      expect(core.reason).toMatch(/simd was refused: Wasm code generation disallowed by embedder/);
    }
    await expect(createCoreFrom(source, { backend: "wasm" })).rejects.toThrow(BackendError);
    expect(() => createCoreSyncFrom(source, { backend: "wasm" })).toThrow(/disallowed by embedder/);
  });

  it("falls back when a binary computes something else", () => {
    const kernels = { gemm_scratch_bytes: () => 0, gemm_f32: () => {} } as unknown as CoreKernels;
    const module = undefined as unknown as WebAssembly.Module;
    const wrong = { module, kernels, compile: () => module };
    const core = createCoreSyncFrom({
      instantiate: async () => wrong,
      instantiateSync: () => wrong,
      loadThreads: refuse,
    });
    expect(core.backend).toBe("js");
    expect(core.reason).toMatch(/it failed its self-test/);
  });

  it("takes less memory where the runtime refuses to set 4 GiB aside", () => {
    const { Memory } = WebAssembly;
    const asked: number[] = [];
    class Frugal extends Memory {
      constructor(descriptor: WebAssembly.MemoryDescriptor) {
        asked.push(descriptor.maximum!);
        if (descriptor.maximum! > 2 ** 14) throw new RangeError("could not allocate memory");
        super(descriptor);
      }
    }
    WebAssembly.Memory = Frugal;
    try {
      const core = createCoreSync();
      expect(core.backend).toBe("wasm");
      expect(core.reason).toMatch(/memory of at most 1024 MiB: this runtime refuses more/);
      expect(asked).toEqual([2 ** 16, 2 ** 15, 2 ** 14]);
      expect(createCoreSync({ memory: { maximumBytes: 2 ** 31 } }).reason).toMatch(
        /simd was refused: could not allocate/,
      );
    } finally {
      WebAssembly.Memory = Memory;
    }
  });

  it("runs on one thread where the code of the threads cannot be loaded", async () => {
    const source = { ...embeddedWasm, loadThreads: () => Promise.reject(new Error("Loading chunk 7 failed")) };
    const core = await createCoreFrom(source, { threads: 2 });
    expect(core.backend).toBe("wasm");
    expect(core.reason).toMatch(/one thread: its code was not loaded: Loading chunk 7 failed/);
    expect(core.tensor([2], [1, 2]).data[1]).toBe(2);
  });

  it("notices that the owner of an attached shared memory has grown it", () => {
    const attach = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });
    let top = 64;
    const allocate = (bytes: number) => {
      if (top + bytes > attach.buffer.byteLength) attach.grow(1);
      top += bytes;
      return top - bytes;
    };
    const core = createCoreSync({ memory: { attach, allocate, free() {} } });
    const [first, second] = [core.tensor([10000], (i) => i), core.tensor([10000], (i) => -i)];
    expect([first.data[9999], second.data[9999]]).toEqual([9999, -9999]);
    expect(second.data.buffer).toBe(attach.buffer);
  });

  it.each(["wasm", "js"] as const)(
    "lets its memory go when it is disposed, whoever holds on to it: %s",
    async (backend) => {
      setFlagsFromString("--expose-gc");
      const collect: () => void = runInNewContext("gc");
      const core = createCoreSync({ backend });
      const memory = new WeakRef(core.linearMemory);
      core.dispose();
      await new Promise((resolve) => setTimeout(resolve, 0)); // a WeakRef lives to the end of its turn
      collect();
      expect(memory.deref()).toBeUndefined();
      expect(core.disposed).toBe(true);
    },
  );

  it("names the option that is wrong", () => {
    const bad = (options: object, text: RegExp) => {
      expect(() => createCoreSync(options)).toThrow(OptionError);
      expect(() => createCoreSync(options)).toThrow(text);
    };
    bad({ backend: "webgl" }, /backend is "webgl", expected one of "auto", "wasm", "js"/);
    bad({ arithmetic: "fast" }, /arithmetic/);
    bad({ threads: 0 }, /threads is 0, expected an integer from 1/);
    bad({ wide: 1 }, /wide is 1/);
    bad({ bakend: "js" }, /options\.bakend is not an option, did you mean backend\?; known are backend/);
    bad({ memory: { maximumBytes: -1 } }, /memory\.maximumBytes is -1/);
    bad({ memory: { initialBytes: 2 ** 21, maximumBytes: 2 ** 20 } }, /memory\.initialBytes/);
    bad({ memory: { attach: new WebAssembly.Memory({ initial: 1 }) } }, /memory\.allocate and memory\.free/);
    bad({ memory: 5 }, /memory is 5, expected an object/);
  });
});

describe.each(backends)("Core on %s", (backend) => {
  it("counts the bytes in use and gives them back", () => {
    const core = makeCore(backend);
    const before = core.memory.bytesInUse;
    const tensor = core.tensor([100, 100]);
    expect(core.memory.bytesInUse).toBeGreaterThanOrEqual(before + 40_000);
    expect(core.memory.bytesReserved).toBeGreaterThanOrEqual(core.memory.bytesInUse);
    tensor.dispose();
    expect(core.memory.bytesInUse).toBe(before);
  });

  it("throws OutOfMemoryError at its maximum, and changes nothing", () => {
    const core = makeCore(backend, { memory: { maximumBytes: 2 ** 20 } });
    const kept = core.tensor([1000], (i) => i);
    expectUnchanged(core, () => core.tensor([2 ** 20]), OutOfMemoryError, /cannot grow/);
    expect(kept.data[999]).toBe(999);
    expect(core.tensor([1000]).size).toBe(1000);
  });

  it("keeps working through long growth", () => {
    const core = makeCore(backend, { memory: { initialBytes: 1001 } });
    const tensor = core.tensor([4], [1, 2, 3, 4]);
    const square = core.tensor([2, 2], [1, 2, 3, 4]);
    const optimizer = new RMSProp(core, tensor);
    for (let i = 1; i < 40; i++) {
      core.tensor([i * 3001]);
      optimizer.step(Float32Array.of(1, 1, 1, 1));
      expect(matmul(square, square).toArray()).toEqual([
        [7, 10],
        [15, 22],
      ]);
    }
    expect(optimizer.iterations).toBe(39);
  });

  it("refuses shapes that no memory could hold, and stays sound", () => {
    const core = makeCore(backend);
    expect(() => core.tensor([1e200, 1e200, 0])).toThrow(ShapeError);
    expect(() => core.tensor([2 ** 53 - 1, 2 ** 53 - 1])).toThrow(OutOfMemoryError);
    expect(core.tensor([2 ** 53 - 1, 2 ** 53 - 1, 0]).size).toBe(0);
    const [a, b] = [core.tensor([4], [1, 2, 3, 4]), core.tensor([4], [5, 6, 7, 8])];
    expect([a.toArray(), b.toArray()]).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]);
  });

  it("refuses every use after dispose", () => {
    const core = makeCore(backend);
    const tensor = core.tensor([2, 2], [1, 2, 3, 4]);
    core.dispose();
    core.dispose();
    expect(() => core.tensor([1])).toThrow(DisposedError);
    expect(() => tensor.data).toThrow(DisposedError);
    expect(() => matmul(tensor, tensor)).toThrow(/a of shape \[2,2\] was used after dispose/);
    expect(core.memory).toEqual({ bytesInUse: 0, bytesReserved: 0 });
    tensor.dispose();
  });

  it("is disposed by a using declaration", () => {
    const held = makeCore(backend);
    {
      using core = held;
      core.tensor([1]);
    }
    expect(() => held.tensor([1])).toThrow(DisposedError);
  });
});

describe("an attached memory", () => {
  it("is worked in where its owner says, and nowhere else", () => {
    const memory = new WebAssembly.Memory({ initial: 4 });
    let top = 1000;
    const freed: number[] = [];
    let allocated = 0;
    const heap = {
      attach: memory,
      allocate(bytes: number) {
        allocated++;
        const address = top;
        top += bytes;
        return address;
      },
      free: (address: number) => freed.push(address),
    };
    const mine = new Uint8Array(memory.buffer, 0, 1000).fill(171);
    const core = createCoreSync({ memory: heap });
    expect(core.backend).toBe("wasm");
    const a = core.tensor([3, 2], [1, 2, 3, 4, 5, 6]);
    const product = matmul(a, a, { transposeB: true });
    expect(product.data.buffer).toBe(memory.buffer);
    expect([...product.data]).toEqual([5, 11, 17, 11, 25, 39, 17, 39, 61]);
    expect(mine.every((byte) => byte === 171)).toBe(true);
    a.dispose();
    expect(freed.length).toBeGreaterThan(0);
    core.dispose();
    expect(new Set(freed).size).toBe(freed.length);
    expect(freed.length).toBe(allocated);
  });

  it("must be a memory, with an allocator whose addresses are aligned", () => {
    const attach = new WebAssembly.Memory({ initial: 1 });
    const freed: number[] = [];
    const free = (address: number) => freed.push(address);
    expect(() => createCoreSync({ memory: { attach: {} as never, allocate: () => 64, free } })).toThrow(OptionError);
    const core = createCoreSync({ memory: { attach, allocate: (bytes) => (bytes === 4 ? 66 : 1024), free } });
    expect(() => core.tensor([1])).toThrow(/memory\.allocate\(4\) returned 66, expected an address divisible by 4/);
    expect(freed).toContain(66);
  });

  it("cannot be attached to the JavaScript backend", () => {
    const memory = { attach: new WebAssembly.Memory({ initial: 1 }), allocate: () => 64, free: () => {} };
    expect(() => createCoreSync({ backend: "js", memory })).toThrow(/memory\.attach needs Wasm/);
  });
});

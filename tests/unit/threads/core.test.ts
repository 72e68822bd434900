import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { afterAll, describe, expect, it, vi } from "vitest";
import { ACTIVATION } from "../../../src/backend/backend.js";
import { probeFeatures } from "../../../src/backend/probe.js";
import type { Core, CoreOptions } from "../../../src/core.js";
import { createCore, createCoreSync } from "../../../src/entry/inline.js";
import { Adam, matmul, NonFiniteError, RMSProp, type RMSPropOptions, SGD, type Tensor } from "../../../src/index.js";
import { dense, meanSquaredError, relu, Sequential, Trainer, tanh } from "../../../src/nn/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { snapshot } from "../../helpers/cores.js";
import { eagerCore } from "../../helpers/eager-core.js";
import { randomValues } from "../../helpers/random.js";

const cores = await Promise.all([1, 2, 3, 4].map((threads) => createCore({ backend: "wasm", threads })));
const js = createCoreSync({ backend: "js" });
afterAll(() => {
  for (const core of [...cores, js]) core.dispose();
});

/** Runs a program on every core, and compares what it returns. */
function expectSame(what: string, program: (core: Core) => ArrayLike<number>): void {
  const expected = Float32Array.from(program(js));
  for (const [index, core] of cores.entries()) {
    expectSameBits(program(core), expected, `${what} on ${index + 1} threads`);
  }
}

function concatenated(arrays: Float32Array[]): Float32Array {
  const all = new Float32Array(arrays.reduce((length, array) => length + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

/** Runs `use` on new tensors and frees them. */
function withTensors<T>(core: Core, sizes: number[][], use: (...tensors: Tensor[]) => T): T {
  const tensors = sizes.map((shape, seed) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return core.tensor(shape, randomValues(size, seed + 1));
  });
  try {
    return use(...tensors);
  } finally {
    for (const tensor of tensors) tensor.dispose();
  }
}

describe("a core on several threads", () => {
  it("says how many compute", () => {
    const reasons = ["", "; 2 threads", "; 3 threads", "; 4 threads"];
    expect(cores.map(({ reason }) => reason)).toEqual(reasons.map((text) => `simd passed its self-test${text}`));
  });

  it("multiplies to the same bits", () => {
    const activations = Object.keys(ACTIVATION) as (keyof typeof ACTIVATION)[];
    const size = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 20, max: 300 }));
    const products = fc.record({
      batch: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 20 })),
      m: size,
      n: size,
      k: size,
      transposeA: fc.boolean(),
      transposeB: fc.boolean(),
      alpha: fc.constantFrom(1, -0.75),
      beta: fc.constantFrom(0, 0.5),
      bias: fc.boolean(),
      activation: fc.constantFrom(...activations),
    });
    const check = fc.property(products, ({ batch, m, n, k, bias, ...options }) => {
      fc.pre(Math.max(batch, 1) * m * n * k < 2e7);
      const lead = batch === 0 ? [] : [batch];
      const a = [...lead, ...(options.transposeA ? [k, m] : [m, k])];
      const b = options.transposeB ? [n, k] : [k, n];
      expectSame(JSON.stringify({ batch, m, n, k, bias, ...options }), (core) =>
        withTensors(core, [a, b, [...lead, m, n], [n]], (x, y, out, bias_) =>
          matmul(x!, y!, { out: out!, ...options, ...(bias ? { bias: bias_! } : {}) }).data.slice(),
        ),
      );
    });
    fc.assert(check, { numRuns: 60, seed: 7 });
  });

  // The first is long enough for strips of averages, all of them for many pieces in a worker's chunk.
  it.each(["SGD", "RMSProp", "Adam"] as const)("averages to the same bits: %s", (name) => {
    const sizes = [262_157, 1003, 70_001];
    expectSame(name, (core) =>
      withTensors(
        core,
        [...sizes, ...sizes].map((size) => [size]),
        (...tensors) => {
          const values = tensors.slice(0, sizes.length);
          const grads = tensors.slice(sizes.length);
          const rule = { SGD, RMSProp, Adam }[name];
          const optimizer = new rule(core, values, { emaDecay: 0.9, ...(name === "Adam" ? {} : { momentum: 0.9 }) });
          for (let step = 0; step < 3; step++) optimizer.step(grads);
          const averages = optimizer.averaged() as Float32Array[];
          optimizer.dispose();
          return concatenated([...values.map((value) => value.data), ...averages]);
        },
      ),
    );
  });

  it("steps to the same bits", () => {
    const options = fc.record({
      momentum: fc.constantFrom(0, 0.9),
      centered: fc.boolean(),
      biasCorrection: fc.boolean(),
      weightDecay: fc.constantFrom(0, 0.01),
      clip: fc.constantFrom<RMSPropOptions>({}, { clipNorm: 1 }, { globalClipNorm: 1 }, { clipValue: 0.1 }),
      eps: fc.constant(0.1),
    });
    const count = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 10_000, max: 150_000 }));
    const check = fc.property(
      options,
      fc.array(fc.tuple(count, fc.boolean()), { minLength: 1, maxLength: 6 }),
      fc.constantFrom("RMSProp", "SGD"),
      ({ clip, ...rest }, parameters, name) => {
        const shapes = parameters.flatMap(([size]) => [[size], [size]]);
        expectSame(JSON.stringify({ name, ...rest, clip, parameters }), (core) =>
          withTensors(core, shapes, (...tensors) => {
            const values = tensors.filter((_, i) => i % 2 === 0);
            const grads = parameters.map(([, has], i) => (has ? tensors[2 * i + 1]! : null));
            const { momentum, weightDecay } = rest;
            const optimizer =
              name === "SGD"
                ? new SGD(core, values, { momentum, weightDecay, ...clip })
                : new RMSProp(core, values, { ...rest, ...clip });
            for (let step = 0; step < 3; step++) optimizer.step(grads);
            const { parameters: state } = optimizer.state();
            optimizer.dispose();
            const arrays = Object.values(state).flatMap(({ iterations, ...rest }) => Object.values(rest));
            return concatenated([...values.map((value) => value.data), ...(arrays as Float32Array[])]);
          }),
        );
      },
    );
    fc.assert(check, { numRuns: 25, seed: 11 });
  });

  // Relaxed tiles have the most rows. Node 20 lacks them.
  const { relaxedSimd } = probeFeatures();
  it.skipIf(!relaxedSimd)("has scratch for every chunk of a product with packed weights", async () => {
    const GAP = 1 << 19;
    const gaps: number[] = [];
    let top = 1024;
    const memory = {
      attach: new WebAssembly.Memory({ initial: 2048, maximum: 2048, shared: true }),
      allocate(bytes: number) {
        const address = top;
        const end = address + Math.ceil(bytes / 64) * 64;
        gaps.push(end);
        top = end + GAP;
        return address;
      },
      free() {},
    };
    const core = await eagerCore({ arithmetic: "relaxed", threads: 3, memory });
    expect(core.variant).toBe("relaxed");
    for (const [m, n, k] of [
      [36, 32, 4096],
      [26, 64, 3000],
      [50, 48, 4000],
    ] as const) {
      const b = core.pack(core.tensor([k, n], randomValues(k * n, 2)));
      matmul(core.tensor([m, k], randomValues(m * k, 1)), b, { out: core.tensor([m, n]) });
      for (const gap of gaps) {
        const words = new Uint32Array(memory.attach.buffer, gap, GAP / 4);
        expect(words.every((word) => word === 0)).toBe(true);
      }
    }
    core.dispose();
  });

  it.each([
    ["SGD", SGD, { momentum: 0.9 }, { momentum: 0 }],
    ["RMSProp", RMSProp, { momentum: 0.9, centered: true, emaDecay: 0.9 }, { momentum: 0, centered: false }],
    ["Adam", Adam, { amsgrad: true }, { amsgrad: false }],
  ] as const)("keeps the state of %s whose option is off", (name, Optimizer, on, off) => {
    expectSame(name, (core) =>
      withTensors(core, [[200_003], [200_003]], (w, g) => {
        const optimizer = new Optimizer(core, w!, on);
        for (const options of [on, off, on]) {
          optimizer.setOptions(options);
          for (let step = 0; step < 3; step++) optimizer.step(g!);
        }
        const arrays = Object.values(optimizer.state().parameters).flatMap((state) =>
          Object.values(state).filter((value) => value instanceof Float32Array),
        );
        optimizer.dispose();
        expect(arrays.length).toBeGreaterThan(0);
        return concatenated([w!.data, ...arrays]);
      }),
    );
  });

  it("refuses a gradient before anything is written", () => {
    for (const core of cores) {
      withTensors(core, [[200_000], [200_000], [9]], (w, g, small) => {
        const optimizer = new RMSProp(core, [w!, small!], { onNonFinite: "throw", momentum: 0.9 });
        optimizer.step([g!, null]);
        g!.data[199_999] = Number.NaN;
        const before = snapshot(core);
        expect(() => optimizer.step([g!, null])).toThrow(NonFiniteError);
        expect(snapshot(core).equals(before)).toBe(true);
        expect(optimizer.iterations).toBe(1);
      });
    }
  });

  it("trains to the same bits", () => {
    expectSame("training", (core) => {
      const model = new Sequential(core, [dense(100, 300), relu(), dense(300, 200), tanh(), dense(200, 3)], {
        seed: 5,
      });
      const trainer = new Trainer(model, {
        loss: meanSquaredError(),
        optimizer: (parameters) => new RMSProp(core, parameters, { momentum: 0.9, globalClipNorm: 1 }),
      });
      const x = core.tensor([150, 100], randomValues(15_000, 1));
      const y = core.tensor([150, 3], randomValues(450, 2));
      const losses = Array.from({ length: 20 }, () => trainer.step(x, y));
      return concatenated([Float32Array.from(losses), ...Object.values(model.parameters).map(({ data }) => data)]);
    });
  });

  it("keeps views right while the memory grows", async () => {
    const core = await createCore({ threads: 2, memory: { initialBytes: 65536 } });
    const w = core.tensor([70_000], randomValues(70_000, 1));
    const a = core.tensor([130, 130], randomValues(16_900, 2));
    const reference = createCoreSync({ backend: "js" });
    const w1 = reference.tensor([70_000], w.data);
    const a1 = reference.tensor([130, 130], a.data);
    const gradient = randomValues(70_000, 3);
    const [optimizer, optimizer1] = [new RMSProp(core, w), new RMSProp(reference, w1)];
    const expected = matmul(a1, a1).data;
    for (let i = 0; i < 6; i++) {
      const { bytesReserved } = core.memory;
      core.tensor([bytesReserved / 4]); // more than is left
      expect(core.memory.bytesReserved).toBeGreaterThan(bytesReserved);
      expect(w.data.buffer).toBe(core.linearMemory.buffer);
      optimizer.step(gradient);
      optimizer1.step(gradient);
      expectSameBits(w.data, w1.data, `step ${i}`);
      expectSameBits(matmul(a, a).data, expected, `product ${i}`);
    }
    core.dispose();
  });

  it("does not disturb another one", async () => {
    const pair = await Promise.all([createCore({ threads: 2 }), createCore({ threads: 3 })]);
    const inputs = pair.map((core, i) => core.tensor([160, 160], randomValues(25_600, i)));
    const expected = inputs.map((x) => {
      const copy = js.tensor([160, 160], x.data);
      return matmul(copy, copy).data.slice();
    });
    for (let i = 0; i < 200; i++) {
      const which = i % 3 === 0 ? 0 : 1;
      const product = matmul(inputs[which]!, inputs[which]!);
      if (i % 20 < 3) expectSameBits(product.data, expected[which]!, `product ${i}`);
      product.dispose();
    }
    pair[0]!.dispose();
    expectSameBits(matmul(inputs[1]!, inputs[1]!).data, expected[1]!, "after the other one's end");
    pair[1]!.dispose();
  });
});

describe("a core without threads says why", () => {
  const product = (core: Core) => matmul(core.tensor([1, 2], [3, 4]), core.tensor([2, 1], [5, 6])).toArray();

  it.each<[string, () => Core | Promise<Core>, string]>([
    ["createCoreSync", () => createCoreSync({ threads: 2 }), "one thread: workers need the asynchronous createCore"],
    ["JavaScript", () => createCore({ backend: "js", threads: 2 }), "one thread: only Wasm is shared"],
    [
      "a memory that is not shared",
      () => {
        const attach = new WebAssembly.Memory({ initial: 4 });
        let top = 64;
        const allocate = (bytes: number): number => {
          const address = top;
          top += Math.ceil(bytes / 64) * 64;
          return address;
        };
        const memory: NonNullable<CoreOptions["memory"]> = { attach, allocate, free() {} };
        return createCore({ threads: 2, memory });
      },
      "one thread: the memory is not shared",
    ],
  ])("%s", async (_, make, why) => {
    const core = await make();
    expect(core.reason.endsWith(`; ${why}`), core.reason).toBe(true);
    expect(product(core)).toEqual([[39]]);
  });

  it("a runtime without SharedArrayBuffer, as a page that is not isolated", async () => {
    vi.stubGlobal("SharedArrayBuffer", undefined);
    try {
      const core = await createCore({ threads: 2 });
      expect(core.backend).toBe("wasm");
      expect(core.reason).toMatch(/one thread: SharedArrayBuffer does not exist here/);
      expect(product(core)).toEqual([[39]]);
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

describe("a process with threads", () => {
  const run = (program: string): string => {
    const script = `import { createCore, matmul } from "./dist/default/index.js"; ${program}`;
    const flags = ["--input-type=module", "--eval", script];
    return execFileSync(process.execPath, flags, { encoding: "utf8", timeout: 60_000 }).trim();
  };
  const work = "const x = core.tensor([200, 200], (i) => i % 7); matmul(x, x);";

  it("ends by itself, disposed or not", () => {
    const make = "const core = await createCore({ threads: 3 });";
    expect(run(`${make} ${work} console.log(core.reason);`)).toMatch(/3 threads/);
    expect(run(`${make} ${work} core.dispose(); console.log(core.reason);`)).toMatch(/self-test; one thread$/);
    expect(run(`${make} console.log(core.reason);`)).toMatch(/3 threads/);
  });

  it("takes no processor time while it has nothing to do", () => {
    const used = run(`
      const core = await createCore({ threads: 4 });
      ${work}
      await new Promise((done) => setTimeout(done, 200));
      const before = process.cpuUsage();
      await new Promise((done) => setTimeout(done, 1000));
      const { user, system } = process.cpuUsage(before);
      console.log((user + system) / 1e6);
    `);
    expect(Number(used)).toBeLessThan(0.3); // of a second; one spinning worker would take most of it
  });
});

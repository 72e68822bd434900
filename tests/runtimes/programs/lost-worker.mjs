// A worker thread that does not come back from a kernel, for lost-worker.test.mjs: the results must be those of one thread.
import { Adam, createCore, matmul, RMSProp } from "lanewise";
import { dense, meanSquaredError, Sequential, Trainer } from "lanewise/nn";

/** A function that traps: (module (func (export "f") unreachable)). */
const TRAP = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 5, 1, 3, 0, 0, 11];
const FAULTS = {
  traps: `new Instance(new WebAssembly.Module(new Uint8Array([${TRAP}]))).exports.f()`,
  spins: "for (;;);",
};

/** What a worker runs first: call number `claim` of its kernels computes, and then does not return. */
const sabotage = (way, claim) => `{
  const { Instance } = WebAssembly;
  let calls = 0;
  const spoilt = (kernel) => (...args) => {
    const result = kernel(...args);
    if (calls++ === ${claim}) ${FAULTS[way]};
    return result;
  };
  WebAssembly.Instance = function (module, imports) {
    const entries = Object.entries(new Instance(module, imports).exports);
    return { exports: Object.fromEntries(entries.map(([name, f]) => [name, name.endsWith("_f32") ? spoilt(f) : f])) };
  };
}`;

/** From now on, workers begin with this code. */
function spoilWorkers(code) {
  const threads = globalThis.process?.getBuiltinModule?.("node:worker_threads");
  if (threads !== undefined) {
    const { Worker } = threads;
    threads.Worker = class extends Worker {
      constructor(source, options) {
        super(code + source, options);
      }
    };
    return;
  }
  const { Blob } = globalThis;
  globalThis.Blob = class extends Blob {
    constructor(parts, options) {
      super([code, ...parts], options);
    }
  };
}

const wave = (i) => Math.sin(i);

/** Each computes the same again and again, and returns all that has been computed. */
const works = {
  steps(core) {
    const params = [0, 1, 2].map((k) => core.tensor([400, 1000], (i) => wave(i + k)));
    const grads = [3, 4, 5].map((k) => core.tensor([400, 1000], (i) => wave(i + k)));
    const optimizer = new Adam(core, params);
    return () => {
      optimizer.step(grads);
      return params.map(({ data }) => data);
    };
  },
  products(core) {
    const [a, b, out] = [1, 2, 3].map((k) => core.tensor([400, 400], (i) => wave(i + k)));
    return () => [matmul(a, b, { out, alpha: 0.01, beta: 0.5 }).data];
  },
  training(core) {
    const layers = [dense(512, { activation: "relu" }), dense(512, { activation: "tanh" }), dense(10)];
    const model = new Sequential(core, layers, { inputShape: [256], seed: 1 });
    const trainer = new Trainer(model, {
      loss: meanSquaredError(),
      optimizer: (parameters) => new RMSProp(core, parameters, { momentum: 0.9 }),
    });
    const x = core.tensor([256, 256], wave);
    const y = core.tensor([256, 10], wave);
    return () => {
      trainer.step(x, y);
      return Object.values(model.parameters).map(({ data }) => data);
    };
  },
};

const CALLS = 1000;
const bits = ({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length);

/** Goes on until the worker is lost, and for three calls more; compares each with one thread. */
export async function loseWorker({ work, way, claim }) {
  spoilWorkers(sabotage(way, claim));
  const [attacked, sound] = [await createCore({ threads: 2 }), await createCore()];
  const [run, expected] = [works[work](attacked), works[work](sound)];
  let differing = 0;
  let calls = 0;
  for (let after = 0; after < 3 && calls < CALLS; calls++) {
    const computed = run();
    for (const [k, values] of expected().entries()) {
      const [is, must] = [bits(computed[k]), bits(values)];
      if (must.some((word, i) => word !== is[i])) differing++;
    }
    if (attacked.reason.includes("one thread")) after++;
  }
  const { reason } = attacked;
  attacked.dispose();
  return { reason, calls, differing };
}

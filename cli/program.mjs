// What `lanewise doctor` and the tests of every runtime run, on whatever core they get. Nothing but the language and Lanewise: no runtime's own interfaces.

/** Option sets of each optimizer besides its defaults. A new optimizer is run with its defaults without a line here. */
const OPTIMIZERS = {
  RMSProp: [
    { epsPlacement: "outside", decay: 0.99, momentum: 0.9, learningRate: 0.02 },
    { epsPlacement: "ratio", centered: true, initialScale: 1, weightDecay: 0.01, clipValue: 0.5 },
    { centered: true, meanDecay: 0.8, momentum: 0.5, nesterov: true, biasCorrection: true, globalClipNorm: 1 },
    { momentum: 0.9, weightDecay: 0.1, decoupledWeightDecay: true, clipNorm: 0.7, maximize: true, eps: 1e-3 },
    { learningRate: (iteration) => 0.1 / (1 + iteration), onNonFinite: "skip" },
    { emaDecay: 0.9, accumulationSteps: 2 },
    { dialect: "pytorch", centered: true, momentum: 0.9, weightDecay: 0.01 },
    { dialect: "keras3", centered: true, weightDecay: 0.01, clipNorm: 1, emaDecay: 0.9 },
    { dialect: "keras2", momentum: 0.9, globalClipNorm: 1 },
    { dialect: "tf-keras-legacy", centered: true, clipValue: 0.5 },
    { dialect: "tf1", centered: true, momentum: 0.9 },
    { dialect: "optax", centered: true, momentum: 0.9, nesterov: true, biasCorrection: true, globalClipNorm: 1 },
    { dialect: "tfjs", centered: true, momentum: 0.9, eps: 1e-3 },
    { dialect: "mxnet1", centered: true, weightDecay: 0.01, clipValue: 0.5 },
    { dialect: "mxnet2", weightDecay: 0.01 },
    { dialect: "paddle", momentum: 0.9, clipNorm: 1 },
    { dialect: "timm", centered: true, weightDecay: 0.01, decoupledWeightDecay: true },
  ],
  Adam: [{ amsgrad: true, beta1: 0.3, weightDecay: 0.01, emaDecay: 0.9 }],
  AdamW: [{ learningRate: 0.01, clipNorm: 1 }],
  AdaGrad: [{ learningRateDecay: 0.1, initialScale: 0.1, weightDecay: 0.01 }],
  NAdam: [{ beta1: 0.3, momentumDecay: 0.1, weightDecay: 0.01 }],
  Lion: [{ learningRate: 0.01, weightDecay: 0.1, clipNorm: 1 }],
  Adafactor: [{ learningRate: 0.5, beta2Decay: -0.3, weightDecay: 0.1 }],
  Muon: [{ learningRate: 0.1, momentum: 0.3, nesterov: false, rateAdjustment: "matchRmsAdamW" }],
  SGD: [
    { momentum: 0.9, learningRate: 0.1 },
    { momentum: 0.9, nesterov: true, weightDecay: 0.01, clipNorm: 1 },
  ],
};

/** Optimizers that take no vectors. */
const OF_MATRICES = ["Muon"];

/** Products on both sides of every threshold: rows, columns, tiles, blocks, and what threads share. */
const PRODUCTS = [
  [1, 31, 67, {}],
  [45, 1, 33, { activation: "sigmoid" }],
  [7, 9, 5, { transposeA: true, alpha: 0.3, activation: "tanh" }],
  [61, 90, 300, { transposeB: true, activation: "relu" }],
  [100, 97, 65, { transposeA: true, transposeB: true, alpha: -1.7, beta: 0.6 }],
];

/**
 * Runs products, every optimizer and a training run, and hashes the bits of all that comes out.
 *
 * @param lanewise the names of the entry point to try
 * @param nn those of `lanewise/nn`
 * @param options of createCore; `sync` to make the core synchronously, `pause` to be awaited between two pieces of work
 */
export async function program(lanewise, nn, { sync = false, pause = () => {}, ...options } = {}) {
  const core = sync ? lanewise.createCoreSync(options) : await lanewise.createCore(options);
  const pieces = {
    products: hash((add) => products(core, lanewise, add)),
    ...(await optimizers(core, lanewise, pause)),
    training: hash((add) => training(core, lanewise, nn, add)),
  };
  const { backend, variant, features } = core;
  const report = { backend, variant, features, reason: core.reason, pieces };
  core.dispose();
  return { ...report, digest: hash((add) => add(Array.from(Object.values(pieces).join(""), (c) => c.charCodeAt(0)))) };
}

function products(core, { matmul }, add) {
  for (const [m, n, k, options] of PRODUCTS) {
    const a = core.tensor(options.transposeA ? [k, m] : [m, k], (i) => uneven(i));
    const b = core.tensor(options.transposeB ? [n, k] : [k, n], (i) => uneven(i + 1));
    const out = core.tensor([m, n], uneven);
    const bias = core.tensor([n], uneven);
    add(matmul(a, b, { ...options, out, bias }).data);
    for (const tensor of [a, b, out, bias]) tensor.dispose();
  }
}

/** A digest for each exported optimizer and option set. */
async function optimizers(core, lanewise, pause) {
  const digests = {};
  for (const name of Object.keys(lanewise).sort()) {
    if (typeof lanewise[name]?.prototype?.step !== "function") continue;
    for (const options of [{}, ...(OPTIMIZERS[name] ?? [])]) {
      await pause();
      const set = Object.entries(options).map(([key, value]) => `${key} ${typeof value === "function" ? "…" : value}`);
      digests[[name, ...set].join(", ")] = hash((add) =>
        steps(core, lanewise[name], OF_MATRICES.includes(name), options, add),
      );
    }
  }
  return digests;
}

/** One parameter that is large enough for threads to share, one with an odd end, and one that is a plain array. */
function steps(core, Optimizer, isOfMatrices, options, add) {
  const parameters = {
    large: core.tensor(isOfMatrices ? [137, 146] : [20_011], uneven),
    small: core.tensor([3, 5], uneven),
    plain: isOfMatrices ? core.tensor([23, 1], uneven) : Float32Array.from({ length: 23 }, (_, i) => uneven(i)),
  };
  const optimizer = new Optimizer(core, parameters, options);
  for (let step = 0; step < 3; step++) {
    optimizer.step({
      large: Float32Array.from({ length: parameters.large.size }, (_, i) => uneven(i + 5 * step)),
      small: Float32Array.from({ length: 15 }, (_, i) => uneven(i * step)),
      plain: step === 1 ? undefined : Float32Array.from({ length: 23 }, (_, i) => 1 / (i + 1)),
    });
  }
  for (const parameter of Object.values(parameters)) add(parameter.data ?? parameter);
  optimizer.dispose();
  for (const parameter of Object.values(parameters)) parameter.dispose?.();
}

function training(core, { RMSProp }, nn, add) {
  const { dense, dropout, relu, sigmoid, tanh, Sequential, softmaxCrossEntropy, Trainer } = nn;
  const layers = [dense(13, 21), tanh(), dropout(0.2), dense(21, 17), relu(), dense(17, 9), sigmoid(), dense(9, 5)];
  const model = new Sequential(core, layers, { seed: 7 });
  const options = { learningRate: 3e-3, momentum: 0.5, nesterov: true, centered: true, eps: 1e-6, globalClipNorm: 1 };
  const trainer = new Trainer(model, {
    loss: softmaxCrossEntropy(),
    optimizer: (parameters) => new RMSProp(core, parameters, options),
    seed: 3,
  });
  const x = core.tensor([19, 13], uneven);
  const y = Uint8Array.from({ length: 19 }, (_, i) => (i * i) % 5);
  const losses = [];
  for (let step = 0; step < 200; step++) losses.push(trainer.step(x, y));
  if (!(losses[199] < losses[0])) throw new Error(`the loss went from ${losses[0]} to ${losses[199]}`);
  add(losses);
  for (const { data } of Object.values(model.parameters)) add(data);
  add(model.predict(x).data);
}

/** Numbers of mixed signs and sizes with all their bits in use. */
function uneven(i) {
  return (((i * 7919) % 10007) - 5003) / (1009 + (i % 13));
}

/** A hash of float32 bits, NaN as a class, as sixteen hexadecimal digits: FNV-1a, twice. */
function hash(fill) {
  let [a, b] = [0x811c9dc5, 0x01000193];
  fill((values) => {
    const floats = Float32Array.from(values);
    for (const word of new Uint32Array(floats.map((x) => (Number.isNaN(x) ? Number.NaN : x)).buffer)) {
      a = Math.imul(a ^ word, 0x01000193);
      b = Math.imul(b ^ (word >>> 7) ^ (word << 9), 0x85ebca6b) + a;
    }
  });
  return [a, b].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
}

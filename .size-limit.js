// What travels to a user: minified and brotli-compressed. What createCore loads on demand is counted for itself.
// docs/decisions/0005-size-budget.md has the budgets and their reasons.
const onDemand = ["./lazy.js", "./start.js", "./tfjs-kernels.js", "./install.js"];
const withoutOnDemand = (config) => ({ ...config, external: [...onDemand, "@tensorflow/tfjs-core"] });
const entry = (name) => ({ path: `dist/default/${name}.js`, modifyEsbuildConfig: withoutOnDemand });
const main = "{ createCore, createCoreSync, matmul, RMSProp }";
const dense = "{ Sequential, Trainer, dense, relu, softmaxCrossEntropy }";

/** `bench/sizes.ts` names a compression and wants sizes, not limits. */
const { COMPRESSION } = process.env;

const entries = [
  { name: "lanewise, its main names", ...entry("index"), import: main, limit: "31.75 KiB" },
  { name: "lanewise, everything", ...entry("index"), limit: "46.75 KiB" },
  { name: "lanewise/js, everything", ...entry("js"), limit: "39.75 KiB" },
  {
    name: "relaxed and wide, on demand",
    ...entry("lazy"),
    modifyEsbuildConfig: (config) => ({ ...config, external: ["./wide-families.js"] }),
    limit: "18.75 KiB",
  },
  { name: "wide tiles of layers, on demand", ...entry("wide-families"), limit: "24.5 KiB" },
  { name: "threads, on demand", path: "dist/default/start.js", limit: "12.5 KiB" },
  { name: "lanewise/checkpoint, everything", ...entry("checkpoint"), limit: "15.75 KiB" },
  {
    name: "lanewise/checkpoint, save and load",
    ...entry("checkpoint"),
    import: "{ saveCheckpoint, loadCheckpoint }",
    limit: "10.25 KiB",
  },
  { name: "lanewise/checkpoint, one store", ...entry("checkpoint"), import: "{ indexedDBStore }", limit: "1.25 KiB" },
  {
    name: "lanewise/checkpoint/file",
    ...entry("checkpoint-file"),
    modifyEsbuildConfig: (config) => ({ ...config, platform: "node" }),
    limit: "1.75 KiB",
  },
  { name: "lanewise/tfjs, everything", ...entry("tfjs"), limit: "38.25 KiB" },
  { name: "lanewise/tfjs, the kernels of accelerate(), on demand", ...entry("tfjs-kernels"), limit: "34.25 KiB" },
  {
    name: "lanewise/tfjs, the training step of accelerateModel(), on demand",
    ...entry("install"),
    limit: "105.25 KiB",
  },
  {
    name: "lanewise's main names and a dense network",
    ...entry("index"),
    import: { "dist/default/index.js": main, "dist/default/nn.js": dense },
    limit: "50 KiB",
  },
  { name: "lanewise/nn, everything", ...entry("nn"), limit: "101.75 KiB" },
  {
    name: "lanewise/distributed, everything",
    ...entry("distributed"),
    modifyEsbuildConfig: (config) => ({ ...config, external: ["@nats-io/*"] }),
    limit: "47 KiB",
  },
  {
    name: "lanewise/distributed, the hub",
    ...entry("distributed"),
    import: "{ GroupHub, routeToHub }",
    modifyEsbuildConfig: (config) => ({ ...config, external: ["@nats-io/*"] }),
    limit: "1.25 KiB",
  },
];

export default COMPRESSION === undefined
  ? entries
  : entries.map(({ limit, ...each }) => ({ ...each, [COMPRESSION]: true }));

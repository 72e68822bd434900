// What travels to a user: minified and brotli-compressed. What createCore loads on demand is counted for itself.
const onDemand = ["./lazy.js", "../threads/start.js"];
const withoutOnDemand = (config) => ({ ...config, external: onDemand });
const inline = { path: "dist/entry/inline.js", modifyEsbuildConfig: withoutOnDemand };

export default [
  {
    name: "lanewise, its main names",
    ...inline,
    import: "{ createCore, createCoreSync, matmul, RMSProp }",
    limit: "24 KiB",
  },
  { name: "lanewise, everything", ...inline, limit: "26.25 KiB" },
  { name: "lanewise/js, everything", ...inline, path: "dist/entry/js.js", limit: "18.5 KiB" },
  { name: "relaxed and wide, on demand", path: "dist/backend/wasm/lazy.js", limit: "12 KiB" },
  { name: "threads, on demand", path: "dist/backend/threads/start.js", limit: "5 KiB" },
  { name: "lanewise/checkpoint, everything", path: "dist/checkpoint/index.js", limit: "14.25 KiB" },
  {
    name: "lanewise/checkpoint, save and load",
    path: "dist/checkpoint/index.js",
    import: "{ saveCheckpoint, loadCheckpoint }",
    limit: "9.75 KiB",
  },
  {
    name: "lanewise/checkpoint, one store",
    path: "dist/checkpoint/index.js",
    import: "{ indexedDBStore }",
    limit: "1.25 KiB",
  },
  {
    name: "lanewise/checkpoint/file",
    path: "dist/checkpoint/stores/file.js",
    modifyEsbuildConfig: (config) => ({ ...config, platform: "node" }),
    limit: "1.5 KiB",
  },
  {
    name: "lanewise/tfjs, everything",
    path: "dist/tfjs/index.js",
    modifyEsbuildConfig: (config) => ({ ...config, external: [...onDemand, "@tensorflow/tfjs-core"] }),
    limit: "27 KiB",
  },
  { name: "lanewise/nn, everything", path: "dist/nn/index.js", limit: "12 KiB" },
  {
    name: "lanewise/distributed, everything",
    path: "dist/distributed/index.js",
    modifyEsbuildConfig: (config) => ({ ...config, external: ["@nats-io/*"] }),
    limit: "43.5 KiB",
  },
  {
    name: "lanewise/distributed, the hub",
    path: "dist/distributed/index.js",
    import: "{ GroupHub, routeToHub }",
    modifyEsbuildConfig: (config) => ({ ...config, external: ["@nats-io/*"] }),
    limit: "1.5 KiB",
  },
];

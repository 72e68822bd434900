// What travels to a user: minified and brotli-compressed. What is loaded on demand is left out: the relaxed binary, and
// the threads, which have a line of their own.
const withoutOnDemand = (config) => ({ ...config, external: ["./binaries/relaxed.js", "./backend/threads/start.js"] });
const inline = { path: "dist/entry/inline.js", modifyEsbuildConfig: withoutOnDemand };

export default [
  {
    name: "lanewise, its main names",
    ...inline,
    import: "{ createCore, createCoreSync, matmul, RMSProp }",
    limit: "16 KiB",
  },
  { name: "lanewise, everything", ...inline, limit: "17 KiB" },
  { name: "lanewise/js, everything", ...inline, path: "dist/entry/js.js", limit: "12 KiB" },
  { name: "threads, on demand", path: "dist/backend/threads/start.js", limit: "5 KiB" },
  { name: "lanewise/nn, everything", path: "dist/nn/index.js", limit: "11 KiB" },
];

// What travels to a user: minified and brotli-compressed. The relaxed binary is left out because it is loaded on demand.
const withoutRelaxed = (config) => ({ ...config, external: ["./binaries/relaxed.js"] });
const inline = { path: "dist/entry/inline.js", modifyEsbuildConfig: withoutRelaxed };

export default [
  {
    name: "lanewise, its main names",
    ...inline,
    import: "{ createCore, createCoreSync, matmul, RMSProp }",
    limit: "16 KiB",
  },
  { name: "lanewise, everything", ...inline, limit: "17 KiB" },
  { name: "lanewise/js, everything", path: "dist/entry/js.js", limit: "12 KiB" },
  { name: "lanewise/nn, everything", path: "dist/nn/index.js", limit: "11 KiB" },
];

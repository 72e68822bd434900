// What travels to a user: minified and brotli-compressed, everything an entry point exports. The relaxed binary is left
// out of the first because it is loaded on demand.
const withoutRelaxed = (config) => ({ ...config, external: ["./binaries/relaxed.js"] });

export default [
  { name: "lanewise", path: "dist/entry/inline.js", limit: "16 KiB", modifyEsbuildConfig: withoutRelaxed },
  { name: "lanewise/js", path: "dist/entry/js.js", limit: "10 KiB" },
  { name: "lanewise/nn", path: "dist/nn/index.js", limit: "10 KiB" },
];

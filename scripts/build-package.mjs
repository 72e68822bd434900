// Bundles the sources into dist: a folder for each condition of package.json's exports, in it a file for each entry point
// and shared chunks (docs/decisions/0005-size.md says why few files). What the folders differ in is how the binaries come.
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { RolldownMagicString, rolldown } from "rolldown";

const root = fileURLToPath(new URL("../", import.meta.url));

/** Entry points; `index` is `lanewise` itself. */
const ENTRIES = {
  index: "src/entry/inline.ts",
  js: "src/entry/js.ts",
  slim: "src/entry/slim.ts",
  nn: "src/nn/index.ts",
  checkpoint: "src/checkpoint/index.ts",
  "checkpoint-file": "src/checkpoint/stores/file.ts",
  tfjs: "src/tfjs/index.ts",
  distributed: "src/distributed/index.ts",
};

/** The folders of dist, by condition. `suffix`: there the runtime compiles what is imported as `….wasm` and this. */
const FOLDERS = {
  default: { format: "esm" },
  require: { format: "cjs" },
  workerd: { format: "esm", suffix: "" },
  "edge-light": { format: "esm", suffix: "?module" },
};

/** A module that holds a binary. */
const BINARY = /src\/backend\/wasm\/binaries\/.+\.ts$/;

/** Replaces the modules that hold binaries as strings by imports of the files in dist/wasm, and what compiles them. */
const staticImports = (suffix) => ({
  name: "static imports of Wasm",
  resolveId: {
    filter: { id: /\.wasm(\?module)?$|\/embedded\.js$/ },
    handler(id) {
      if (id.endsWith("/embedded.js")) return `${root}src/backend/wasm/precompiled.ts`;
      return { id, external: true, moduleSideEffects: false };
    },
  },
  load: {
    filter: { id: BINARY },
    handler(id) {
      const [, name] = /export const (\w+)/.exec(readFileSync(id, "utf8"));
      return `export { default as ${name} } from "../wasm/${basename(id, ".ts")}.wasm${suffix}";`;
    },
  },
});

/** Expressions whose evaluation does nothing, as every bundler sees. */
const isPlain = (node) => {
  if (node === null) return true;
  if (node.type === "ArrayExpression") return node.elements.every(isPlain);
  if (node.type === "ObjectExpression") {
    return node.properties.every(({ type, computed, value }) => type === "Property" && !computed && isPlain(value));
  }
  if (/^TS(As|Satisfies|NonNull)Expression$/.test(node.type)) return isPlain(node.expression);
  if (node.type === "TemplateLiteral") return node.expressions.length === 0;
  if (node.type === "MemberExpression") return node.object.name === "Math";
  return !["CallExpression", "NewExpression", "SpreadElement"].includes(node.type);
};

/** The call inside parentheses and type assertions. */
const callOf = (node) => (node.arguments === undefined && node.expression ? callOf(node.expression) : node);

/** Whether the key of a member is computed from a variable; bundlers know those of `Symbol`. */
const hasNamedKey = ({ computed, key }) => computed && key.object?.name !== "Symbol";

/**
 * Says of every constant and every class of a module that evaluating it has no side effects. Bundlers cannot see it where
 * a property is read, an object is spread, or a variable is the key of a method; and a module that they would drop as a
 * whole is a part of a chunk here.
 */
const pureConstants = {
  name: "pure constants",
  transform: {
    filter: { id: /\.ts$/ },
    handler(code, id) {
      const text = new RolldownMagicString(code);
      for (const statement of this.parse(code, { lang: "ts" }).body) {
        const declaration = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
        if (declaration?.type === "ClassDeclaration" && declaration.body.body.some(hasNamedKey)) {
          const { start, end, id } = declaration;
          text.overwrite(start, id.start, `const ${id.name} = /* @__PURE__ */ (() => class `).appendRight(end, ")();");
        }
        if (declaration?.type !== "VariableDeclaration") continue;
        for (const { init } of declaration.declarations) {
          const isAnnotated = code.slice(0, init?.start).endsWith("/* @__PURE__ */ ");
          if (isPlain(init) || (isAnnotated && callOf(init).arguments.every(isPlain))) continue;
          text.appendLeft(init.start, "/* @__PURE__ */ (() => (").appendRight(init.end, "))()");
        }
      }
      if (!text.hasChanged()) return undefined;
      return { code: text.toString(), map: text.generateMap({ source: id, hires: true }).toString() };
    },
  },
};

/** Whether `lanewise/js` needs a module: those are a chunk that every other entry needs too. */
function isCore() {
  let modules;
  return (id, context) => {
    if (modules === undefined) {
      const entry = `${root}${ENTRIES.js}`;
      modules = new Set([entry]);
      for (const module of modules)
        for (const imported of context.getModuleInfo(module).importedIds) modules.add(imported);
      modules.delete(entry);
    }
    return modules.has(id);
  };
}

for (const [folder, { format, suffix }] of Object.entries(FOLDERS)) {
  const isStatic = suffix !== undefined;
  const bundle = await rolldown({
    cwd: root,
    input: ENTRIES,
    external: [/^@/, /^node:/],
    platform: "neutral",
    checks: { pluginTimings: false },
    resolve: { extensionAlias: { ".js": [".ts"] } },
    plugins: [pureConstants, ...(isStatic ? [staticImports(suffix)] : [])],
    onLog(level, log) {
      if (level === "warn") throw new Error(log.message);
    },
  });
  const core = isCore();
  const groups = [{ debugName: "core", name: (id, context) => (core(id, context) ? "core" : null) }];
  // A chunk for each binary, also for one that the core uses: a bundler drops the import of one that is not used only
  // together with its module.
  if (isStatic)
    groups.unshift({ debugName: "Wasm", name: (id) => (BINARY.test(id) ? `wasm-${basename(id, ".ts")}` : null) });
  await bundle.write({
    dir: `${root}dist/${folder}`,
    format,
    esModule: format === "cjs",
    strict: format === "cjs",
    sourcemap: true,
    // The sources are published beside dist, once for all folders.
    sourcemapExcludeSources: true,
    comments: { annotation: true, legal: true, jsdoc: false },
    entryFileNames: "[name].js",
    chunkFileNames: "[name].js",
    codeSplitting: { groups },
  });
  await bundle.close();
}

// TypeScript before 5.7 knows typed arrays without a parameter; this is the same type for all.
for (const file of readdirSync(`${root}dist/types`, { recursive: true })) {
  if (!file.endsWith(".d.ts")) continue;
  const text = readFileSync(`${root}dist/types/${file}`, "utf8");
  const portable = text.replaceAll(/\b(\w+Array)<ArrayBuffer>/g, "ReturnType<typeof $1.of>");
  if (portable !== text) writeFileSync(`${root}dist/types/${file}`, portable);
}
// The same declarations, as those of CommonJS modules.
cpSync(`${root}dist/types`, `${root}dist/require/types`, { recursive: true });
writeFileSync(`${root}dist/require/package.json`, `${JSON.stringify({ type: "commonjs" })}\n`);

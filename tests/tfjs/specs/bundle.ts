import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Where TensorFlow.js's operations run, and whose optimizers `tf.train` has. */
export type Mode = "plain" | "accelerated" | "optimizers";

/** What came of each spec, by its full name: "passed", "pending", or the first line of each failure. */
export type Outcomes = Record<string, string>;

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const CORE = path("../node_modules/@tensorflow/tfjs-core/dist");
const WASM = path("../node_modules/@tensorflow/tfjs-backend-wasm/dist/");
const OUT = path("../../../build/tfjs-specs/");

/** Bundles the specs that `@tensorflow/tfjs-core` ships, with one copy of TensorFlow.js, into one script. */
export async function bundleSpecs(): Promise<string> {
  const files = readdirSync(CORE, { recursive: true }).map(String);
  const specs = files.filter((file) => file.endsWith("_test.js")).sort();
  const outfile = `${OUT}specs.cjs`;
  mkdirSync(OUT, { recursive: true });
  await build({
    stdin: {
      contents: ["./environment.js", ...specs.map((spec) => `${CORE}/${spec}`), "./run.js"]
        .map((file) => `import ${JSON.stringify(file)};`)
        .join("\n"),
      resolveDir: path("."),
    },
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    outfile,
    logLevel: "error",
    // The specs import the core's files one by one; everything else has to use the same.
    alias: {
      "@tensorflow/tfjs-core": `${CORE}/index.js`,
      "@tensorflow/tfjs-backend-wasm": `${WASM}index.js`,
    },
    // TensorFlow.js says that files of specs have no side effects.
    ignoreAnnotations: true,
  });
  return outfile;
}

/** Runs the bundled specs in a process of their own. */
export function runSpecs(script: string, mode: Mode): Outcomes {
  const results = `${OUT}${mode}.json`;
  execFileSync(process.execPath, [script, mode, results, WASM], { stdio: ["ignore", "ignore", "pipe"] });
  return JSON.parse(readFileSync(results, "utf8"));
}

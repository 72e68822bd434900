// Imports point down only, and never in a circle: docs/architecture.md has the picture.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAst } from "rolldown/parseAst";
import { describe, expect, it } from "vitest";

/** From the top down: what belongs to a layer, by the path inside src. A file belongs to the first that matches. */
const LAYERS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ["entry points", /^(index\.ts$|entry\/)/],
  ["networks, checkpoints, TensorFlow.js, distributed training", /^(nn|checkpoint|tfjs|distributed)\//],
  ["products and optimizers", /^(linalg|optim)\//],
  ["core and tensors", /^(core|tensor|packed|random)\.ts$/],
  ["generated modules", /^abi\/|\/(binaries|generated)\//],
  ["backends", /^backend\//],
  ["errors, checks, mathematics", /^[\w-]+\.ts$/],
];
/** Generated modules import nothing, and whoever needs one may. */
const GENERATED = LAYERS.findIndex(([name]) => name === "generated modules");

/** What the package may import besides itself: its dependency, and optional peers. */
const PACKAGES = /^(@assemblyscript\/loader$|@tensorflow\/tfjs-core$|@nats-io\/|node:)/;

interface Import {
  readonly from: string;
  /** A path inside src, or a package. */
  readonly to: string;
  /** Types are gone at run time: they make no circle. */
  readonly isType: boolean;
}

interface Node {
  readonly type: string;
  readonly source?: { readonly type: string; readonly value?: unknown } | null;
  readonly importKind?: string;
  readonly exportKind?: string;
  readonly specifiers?: readonly Node[];
}

const isTypeOnly = ({ importKind, exportKind }: Node) => (importKind ?? exportKind) === "type";

/** All imports and re-exports of a module, those that load it on demand included. */
function importsOf(from: string, code: string): Import[] {
  const imports: Import[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    const { type, source, specifiers = [] } = node as Node;
    if (source?.type === "Literal" && /^(Import(Declaration|Expression)|TSImportType|Export.*)$/.test(type)) {
      const path = source.value as string;
      const to = path.startsWith(".") ? join(dirname(from), path).replace(/\.js$/, ".ts") : path;
      const named = specifiers.length > 0 && specifiers.every(isTypeOnly);
      imports.push({ from, to, isType: type === "TSImportType" || isTypeOnly(node as Node) || named });
    }
    Object.values(node).forEach(visit);
  };
  visit(parseAst(code, { lang: "ts" }, from).body);
  return imports;
}

/** The first circle of imports that is found, as a list whose last module imports its first. */
function circleIn(imports: readonly Import[]): string[] | undefined {
  const next = new Map<string, string[]>();
  for (const { from, to, isType } of imports) if (!isType) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const search = (module: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(module)) return path.slice(path.indexOf(module));
    if (done.has(module)) return undefined;
    for (const to of next.get(module) ?? []) {
      const circle = search(to, [...path, module]);
      if (circle !== undefined) return circle;
    }
    done.add(module);
    return undefined;
  };
  for (const module of next.keys()) {
    const circle = search(module, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

const layerOf = (module: string) => LAYERS.findIndex(([, pattern]) => pattern.test(module));

function isUpward({ from, to }: Import): boolean {
  return layerOf(to) < layerOf(from) && layerOf(to) !== GENERATED;
}

const src = fileURLToPath(new URL("../../src", import.meta.url));
const modules = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((path) => /(?<!\.d)\.ts$/.test(path));
const all = modules.flatMap((path) => importsOf(path, readFileSync(join(src, path), "utf8")));
const inside = all.filter(({ to }) => modules.includes(to));

describe("src", () => {
  it("is read as a whole: every import is found, and every module has a layer", () => {
    expect(inside.length).toBeGreaterThan(200);
    expect(inside.filter(({ to }) => to === "backend/threads/start.ts").length).toBeGreaterThan(0);
    expect(modules.filter((module) => layerOf(module) < 0)).toEqual([]);
    const names = all.filter(({ to }) => !modules.includes(to)).map(({ to }) => to);
    expect(names.filter((name) => !PACKAGES.test(name))).toEqual([]);
  });

  it("has no circle of imports", () => expect(circleIn(inside)).toBeUndefined());

  it("imports nothing from a higher layer, not even a type", () => {
    const upward = inside.filter(isUpward).map(({ from, to }) => {
      return `${from} (${LAYERS[layerOf(from)]![0]}) imports ${to} (${LAYERS[layerOf(to)]![0]})`;
    });
    expect(upward).toEqual([]);
  });
});

describe("these tests", () => {
  const modulesOf = (sources: Record<string, string>) =>
    Object.entries(sources).flatMap(([path, code]) => importsOf(path, code));

  it("see a circle, however the modules import each other", () => {
    const circle = {
      "nn/a.ts": 'import { b } from "./b.js";',
      "nn/b.ts": 'export * from "../optim/c.js";',
      "optim/c.ts": 'export const load = () => import("../nn/a.js");',
    };
    expect(circleIn(modulesOf(circle))).toEqual(["nn/a.ts", "nn/b.ts", "optim/c.ts"]);
    const types = { ...circle, "nn/b.ts": 'import type { C } from "../optim/c.js"; let c: C;' };
    expect(circleIn(modulesOf(types))).toBeUndefined();
  });

  it("see an upward import, of a type too", () => {
    const sources = {
      "backend/a.ts": 'import type { Core } from "../core.js"; import { hex } from "./wasm/binaries/simd.js";',
      "core.ts": 'let of: typeof import("./nn/index.js"); import { a } from "./backend/a.js";',
      "nn/b.ts": 'import { fail } from "../errors.js"; import { Core } from "../core.js";',
    };
    expect(modulesOf(sources).filter(isUpward)).toMatchObject([
      { from: "backend/a.ts", to: "core.ts" },
      { from: "core.ts", to: "nn/index.ts" },
    ]);
  });
});

/** Where figures come from; what a runtime does not tell is left out. */
export interface Environment {
  /** `"Node 20.20.2"` */
  readonly runtime: string;
  /** `"V8 11.3.244.8-node.38"` */
  readonly engine?: string;
  /** `"2 × AMD EPYC 9B14"`, or the number of processors alone. */
  readonly cpu?: string;
  /** `"linux x64"` */
  readonly platform?: string;
  /** The day, as `"2026-11-22"`. */
  readonly date: string;
}

/** What is looked for in the global scope, whatever runtime it belongs to. */
interface Scope {
  readonly Bun?: { readonly version: string };
  readonly Deno?: { readonly version: { readonly deno: string; readonly v8: string } };
  readonly process?: {
    readonly versions?: Readonly<Record<string, string | undefined>>;
    readonly platform?: string;
    readonly arch?: string;
    getBuiltinModule?(id: string): { cpus(): readonly { readonly model: string }[] } | undefined;
  };
  readonly navigator?: {
    readonly userAgent?: string;
    readonly platform?: string;
    readonly hardwareConcurrency?: number;
  };
}

/** In this order: Edge says that it is Chrome, too, and Chrome that it is Safari. */
const BROWSERS: readonly (readonly [name: string, pattern: RegExp, engine: string])[] = [
  ["Edge", /Edg\/([\d.]+)/, "V8"],
  ["Firefox", /Firefox\/([\d.]+)/, "SpiderMonkey"],
  ["Chrome", /(?:Chrome|CriOS)\/([\d.]+)/, "V8"],
  ["Safari", /Version\/([\d.]+).* Safari/, "JavaScriptCore"],
];

/** What runs this program, and on what. Imports nothing, so any runtime and bundler takes it. */
export function environment(scope: object = globalThis, today = new Date()): Environment {
  const { process, navigator } = scope as Scope;
  const models = processorsOf(scope as Scope);
  const count = models.length || navigator?.hardwareConcurrency;
  const cpu = count && (models.length ? `${count} × ${models[0]}` : `${count} processors`);
  const platform = process?.arch ? `${process.platform} ${process.arch}` : navigator?.platform;
  return {
    ...runtimeOf(scope as Scope),
    ...(cpu && { cpu }),
    ...(platform && { platform }),
    date: today.toISOString().slice(0, 10),
  };
}

function runtimeOf({ Bun, Deno, process, navigator }: Scope): { runtime: string; engine?: string } {
  if (Bun) return { runtime: `Bun ${Bun.version}`, engine: "JavaScriptCore" };
  if (Deno) return { runtime: `Deno ${Deno.version.deno}`, engine: `V8 ${Deno.version.v8}` };
  const { node, v8 } = process?.versions ?? {};
  if (node) return { runtime: `Node ${node}`, engine: `V8 ${v8}` };
  const { userAgent = "unknown" } = navigator ?? {};
  for (const [name, pattern, engine] of BROWSERS) {
    const version = pattern.exec(userAgent)?.[1];
    if (version) return { runtime: `${name} ${version}`, engine };
  }
  return { runtime: userAgent };
}

/** The processors' names; none where the runtime, or its user, does not tell. */
function processorsOf({ process }: Scope): string[] {
  try {
    return (process?.getBuiltinModule?.("node:os")?.cpus() ?? []).map(({ model }) => model.trim());
  } catch {
    return [];
  }
}

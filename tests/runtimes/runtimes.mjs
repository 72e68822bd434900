import { join } from "node:path";
import { EMULATOR, NODE_ARM64 } from "../arm64/emulator.ts";
import { chromium, firefox, webkit } from "./drivers/browsers.mjs";
import { command } from "./drivers/commands.mjs";
import { edge, quickjs } from "./drivers/engines.mjs";
import { miniflare, workerd } from "./drivers/workers.mjs";
import { modules } from "./prepare.mjs";

// A request: the options of a core, and what must come of it. `fuses`: its products have bits of their own.
const simd = (options, reason) => ({ options, backend: "wasm", variant: "simd", reason });
const js = (options, reason) => ({ options, backend: "js", variant: "scalar-js", reason });
const onSite = (site, request) => ({ ...request, options: { site, ...request.options } });

const WASM = simd({}, /^simd passed its self-test$/);
const SYNC = simd({ sync: true, backend: "wasm" }, /^simd passed its self-test$/);
const TWIN = js({ backend: "js" }, /^backend: "js" was asked for$/);
const EVERYWHERE = [WASM, SYNC, TWIN];
// The same in JavaScriptCore, which gets a form of its own.
const inJavaScriptCore = (requests) =>
  requests.map((request) => {
    const source = request.reason.source.replace("passed its self-test", "$&, in the form for JavaScriptCore");
    return { ...request, reason: new RegExp(source) };
  });
const NO_WASM = js({}, /^WebAssembly does not exist in this runtime$/);
const NO_SIMD = js({}, /^this engine has no Wasm SIMD$/);

const threads = (n) => simd({ threads: n }, new RegExp(`^simd passed its self-test; ${n} threads$`));
const THREADED = [threads(2), threads(3)];
const NOT_ISOLATED = simd({ threads: 2 }, /; one thread: SharedArrayBuffer does not exist here/);

const WIDE = { options: { wide: true }, backend: "wasm", variant: "wide", reason: /^wide passed its self-test, / };
const WIDE_THREADS = { ...WIDE, options: { wide: true, threads: 2 }, reason: /^wide passed .*; 2 threads$/ };
const NOT_WIDE = simd({ wide: true }, /^wide was refused: V8 widens in Node 24 and later on x64 only; simd passed/);

const relaxed = { arithmetic: "relaxed" };
const RELAXED = { options: relaxed, backend: "wasm", variant: "relaxed", reason: /^relaxed passed/, fuses: true };
const NOT_RELAXED = simd(relaxed, /^relaxed was refused: this engine has no relaxed SIMD; simd passed/);
const SLOW_RELAXED = simd(relaxed, /^relaxed was refused: its kernels are slower than simd in this V8; simd passed/);

const COMPILES_NOTHING = [
  simd({ threads: 2 }, /^simd passed its self-test; one thread: this runtime has no workers$/),
  simd(relaxed, /^relaxed was refused: this runtime compiles nothing, .*; simd passed/),
  simd({ wide: true }, /^wide was refused: this runtime compiles nothing, .*; simd passed/),
];

const CSP = onSite("csp", js({}, /^simd was refused: .*Content Security Policy|unsafe-eval|CSP/i));
const CSP_THAT_ALLOWS = onSite("csp-wasm", WASM);
const SITES = [CSP, CSP_THAT_ALLOWS];
const ISOLATED = THREADED.map((request) => onSite("isolated", request));

// What a runtime offers.
const NOTHING = { simd: false, relaxedSimd: false, threads: false, wide: false };
const ONE_THREAD = { ...NOTHING, simd: true, relaxedSimd: true };
const ALL = { ...ONE_THREAD, threads: true };

const node = (version) => join(modules, `node-${version}/bin/node`);
const bun = join(modules, "@oven/bun-linux-x64/bin/bun");
const deno = join(modules, "@deno/linux-x64-glibc/deno");
const DENO = ["run", "--quiet", "--allow-all"];

/**
 * Each runtime: how it starts, what it offers, what is asked of it, and how long an answer may take (default a minute).
 * One that does not start fails.
 */
export const runtimes = [
  {
    name: "Node 20",
    start: command(node(20)),
    features: { ...ALL, relaxedSimd: false },
    requests: [...EVERYWHERE, ...THREADED, NOT_WIDE, NOT_RELAXED],
  },
  {
    name: "Node 22",
    start: command(node(22)),
    features: ALL,
    requests: [...EVERYWHERE, ...THREADED, NOT_WIDE, SLOW_RELAXED],
  },
  {
    name: "Node 24",
    start: command(node(24)),
    features: ALL,
    requests: [...EVERYWHERE, ...THREADED, WIDE, WIDE_THREADS, RELAXED],
  },
  {
    name: "Node 26",
    start: command(node(26)),
    features: ALL,
    requests: [...EVERYWHERE, ...THREADED, WIDE, WIDE_THREADS, RELAXED],
  },
  {
    name: "Node 26 --jitless",
    start: command(node(26), { args: ["--jitless"] }),
    features: { ...NOTHING, threads: true },
    requests: [NO_WASM],
  },
  {
    name: "Node 26 without SSE 4.1",
    start: command(node(26), { args: ["--no-enable-sse4-1"] }),
    features: { ...NOTHING, threads: true },
    requests: [NO_SIMD],
  },
  {
    name: "Node 26 for arm64, emulated",
    start: command(NODE_ARM64, { emulator: EMULATOR }),
    features: ALL,
    requests: [WASM, TWIN, threads(2), NOT_WIDE],
    timeout: 600_000,
  },
  {
    name: "Deno",
    start: command(deno, { args: DENO }),
    features: ALL,
    requests: [...EVERYWHERE, ...THREADED, NOT_WIDE, RELAXED],
  },
  {
    name: "Bun",
    start: command(bun),
    features: ALL,
    requests: [...inJavaScriptCore([...EVERYWHERE, ...THREADED]), NOT_WIDE, RELAXED],
  },
  {
    name: "Bun without Wasm",
    start: command(bun, { env: { BUN_JSC_useWasm: "0" } }),
    features: { ...NOTHING, threads: true },
    requests: [NO_WASM],
  },
  {
    name: "workerd",
    start: workerd("programs/worker.mjs"),
    features: ONE_THREAD,
    requests: [...EVERYWHERE, ...COMPILES_NOTHING],
  },
  {
    name: "miniflare",
    start: miniflare("programs/worker.mjs"),
    features: ONE_THREAD,
    requests: [...EVERYWHERE, ...COMPILES_NOTHING],
  },
  {
    name: "edge-runtime",
    start: edge("programs/edge.mjs"),
    features: { ...ONE_THREAD, relaxedSimd: false },
    requests: [...EVERYWHERE, ...COMPILES_NOTHING.filter(({ options }) => options !== relaxed), NOT_RELAXED],
  },
  {
    name: "QuickJS, lanewise",
    start: quickjs("programs/bare.mjs"),
    features: NOTHING,
    requests: [NO_WASM],
  },
  {
    name: "QuickJS, lanewise/js",
    start: quickjs("programs/bare-js.mjs"),
    features: NOTHING,
    requests: [js({}, /^this entry point carries no Wasm$/)],
  },
  {
    name: "Chromium",
    start: chromium(),
    features: ONE_THREAD,
    requests: [...EVERYWHERE, NOT_ISOLATED, NOT_WIDE, RELAXED, ...SITES, ...ISOLATED],
  },
  {
    name: "Firefox",
    start: firefox(),
    features: ONE_THREAD,
    requests: [...EVERYWHERE, NOT_ISOLATED, NOT_WIDE, RELAXED, ...SITES, ...ISOLATED],
  },
  {
    name: "Firefox without Wasm",
    start: firefox({ "javascript.options.wasm": false }),
    features: NOTHING,
    requests: [NO_WASM],
  },
  {
    name: "WebKitGTK",
    start: webkit,
    features: { ...ONE_THREAD, relaxedSimd: false },
    requests: [
      ...inJavaScriptCore([...EVERYWHERE, CSP_THAT_ALLOWS]),
      NOT_ISOLATED,
      onSite("isolated", NOT_ISOLATED),
      NOT_WIDE,
      NOT_RELAXED,
      CSP,
    ],
  },
];

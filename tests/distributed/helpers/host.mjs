// A workerd host in a process of its own, so that it can be killed: node host.mjs '{"folder":…,"persist":…,"port":…}'.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Miniflare } from "miniflare";

const { folder, persist, port, durableObjects } = JSON.parse(process.argv[2]);
const names = readdirSync(folder).sort((a, b) => Number(b === "main.js") - Number(a === "main.js"));
const objects = Object.entries(durableObjects).map(([name, className]) => [name, { className, useSQLite: true }]);
const host = new Miniflare({
  compatibilityDate: "2026-04-01",
  modules: names.map((name) => ({
    type: name.endsWith(".wasm") ? "CompiledWasm" : "ESModule",
    path: name,
    contents: readFileSync(join(folder, name)),
  })),
  durableObjects: Object.fromEntries(objects),
  durableObjectsPersist: persist,
  host: "127.0.0.1",
  port,
});
console.log(JSON.stringify({ url: (await host.ready).href }));

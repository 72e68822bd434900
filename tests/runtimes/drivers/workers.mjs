import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, relative } from "node:path";
import { Miniflare } from "miniflare";
import { bundle, modules } from "../prepare.mjs";

const COMPATIBILITY_DATE = "2026-04-01";
const CONDITIONS = ["workerd", "worker", "browser"];

const versionOf = (name) => JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8")).version;

/** A Worker's bundle: its folder, and the names of its modules, the main one first. */
async function workerModules({ directory }, file) {
  const folder = await bundle(directory, file, "esm", CONDITIONS);
  const names = readdirSync(folder).sort((a, b) => Number(b === "main.js") - Number(a === "main.js"));
  return { folder, names };
}

/** Inside miniflare, which wrangler runs for development. */
export const miniflare = (file) => async (project) => {
  const { folder, names } = await workerModules(project, file);
  const host = new Miniflare({
    compatibilityDate: COMPATIBILITY_DATE,
    modules: names.map((name) => ({
      type: name.endsWith(".wasm") ? "CompiledWasm" : "ESModule",
      path: name,
      contents: readFileSync(join(folder, name)),
    })),
  });
  await host.ready;
  return {
    version: versionOf("miniflare"),
    async run(request) {
      const response = await host.dispatchFetch("http://localhost/", {
        method: "POST",
        body: JSON.stringify(request),
      });
      return response.json();
    },
    stop: () => host.dispose(),
  };
};

/** The runtime by itself, with a configuration of its own. */
export const workerd = (file) => async (project) => {
  const { folder, names } = await workerModules(project, file);
  const port = await freePort();
  const list = names.map((name) => {
    const file = relative(project.directory, join(folder, name));
    return `(name = "${name}", ${name.endsWith(".wasm") ? "wasm" : "esModule"} = embed "${file}")`;
  });
  const config = join(project.directory, "config.capnp");
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [${list.join(", ")}], compatibilityDate = "${COMPATIBILITY_DATE}"))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);`,
  );
  const process = spawn(join(modules, ".bin/workerd"), ["serve", config], { stdio: ["ignore", "inherit", "inherit"] });
  const exit = once(process, "exit");
  const run = async (request) => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: JSON.stringify(request) });
    return response.json();
  };
  await untilListening(port, process);
  return {
    version: versionOf("workerd"),
    run,
    async stop() {
      process.kill();
      await exit;
    },
  };
};

/** A port that nobody listens on. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Resolves when the process answers on the port; rejects when it ends before. */
export async function untilListening(port, process) {
  while (process.exitCode === null) {
    try {
      await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: "{}" });
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`${process.spawnfile} ended with code ${process.exitCode}`);
}

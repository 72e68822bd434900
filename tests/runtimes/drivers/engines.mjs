import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { EdgeVM } from "@edge-runtime/vm";
import { getQuickJS } from "quickjs-emscripten";
import { bundle, modules as installed } from "../prepare.mjs";

const versionOf = (name) => JSON.parse(readFileSync(join(installed, name, "package.json"), "utf8")).version;

/** Vercel's simulator of its edge runtime. The Modules come from another realm, as nothing is compiled inside. */
export const edge =
  (file) =>
  async ({ directory }) => {
    const folder = await bundle(directory, file, "iife", ["edge-light", "browser"]);
    const wasm = join(directory, "node_modules/lanewise/dist/wasm");
    const names = readdirSync(wasm).filter((file) => !/relaxed|threads/.test(file));
    const modules = Object.fromEntries(
      names.map((file) => [basename(file, ".wasm"), new WebAssembly.Module(readFileSync(join(wasm, file)))]),
    );
    const vm = new EdgeVM({ extend: (context) => Object.assign(context, { modules }) });
    vm.evaluate("delete WebAssembly.compile; WebAssembly.Module = WebAssembly.instantiate = undefined;");
    vm.evaluate(readFileSync(join(folder, "main.js"), "utf8"));
    return {
      version: versionOf("@edge-runtime/vm"),
      async run(request) {
        const url = `http://localhost/?${encodeURIComponent(JSON.stringify(request))}`;
        const response = await vm.evaluate(`program.GET(new Request(${JSON.stringify(url)}))`);
        return response.json();
      },
    };
  };

/** An engine that has the language and nothing else. */
export const quickjs =
  (file) =>
  async ({ directory }) => {
    const folder = await bundle(directory, file, "iife", []);
    const vm = (await getQuickJS()).newContext();
    vm.unwrapResult(vm.evalCode(readFileSync(join(folder, "main.js"), "utf8"))).dispose();
    return {
      version: versionOf("quickjs-emscripten"),
      async run(request) {
        const text = JSON.stringify(JSON.stringify(request));
        const promise = vm.unwrapResult(vm.evalCode(`program.run(${text})`));
        const settled = vm.resolvePromise(promise);
        vm.runtime.executePendingJobs();
        const result = vm.unwrapResult(await settled);
        const report = JSON.parse(vm.getString(result));
        for (const handle of [promise, result]) handle.dispose();
        return report;
      },
      stop: () => vm.dispose(),
    };
  };

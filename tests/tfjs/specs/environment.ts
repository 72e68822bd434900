// First in the bundle: what the specs expect to find, before any of them is evaluated.
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import "../node_modules/@tensorflow/tfjs-core/dist/register_all_gradients.js";
import "../node_modules/@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js";
import jasmineRequire from "jasmine-core/lib/jasmine-core/jasmine.js";
import { setTestEnvs } from "../node_modules/@tensorflow/tfjs-core/dist/jasmine_util.js";

const jasmine = jasmineRequire.core(jasmineRequire);
export const jasmineEnv = jasmine.getEnv({ suppressLoadErrors: true });
Object.assign(globalThis, jasmineRequire.interface(jasmine, jasmineEnv), { jasmine });

setWasmPaths(process.argv[4]!);
setTestEnvs([{ name: "wasm", backendName: "wasm", flags: {}, isDataSync: true }]);

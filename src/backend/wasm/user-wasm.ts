import { instantiate, instantiateSync as loadSync } from "@assemblyscript/loader";
import { isNumericArray, tagOf } from "../../checks.js";
import { builtinModule } from "../builtin.js";
import type { Instantiated, WasmSource, WasmVariant } from "../select.js";
import { bytesFor, compileFamily, instantiated, isShared } from "./instantiate.js";

/** A binary as a caller can have it: compiled, as bytes, on its way, or at an address to fetch. */
export type UserWasm = WebAssembly.Module | BufferSource | Response | URL;

/**
 * The core binary that the caller brings; AssemblyScript's loader takes it in any of its forms. A Module of another
 * realm is instantiated directly, because the loader asks for `instanceof`.
 */
export function userWasm(supplied: UserWasm | PromiseLike<UserWasm>): WasmSource {
  // A second candidate finds what has arrived.
  let arrival: Promise<WebAssembly.Module | BufferSource> | undefined;
  return {
    async instantiate(variant, memory) {
      arrival ??= receive(supplied);
      const source = await arrival;
      if (isA("Module", source)) return checked(instantiated(source as WebAssembly.Module, memory), variant);
      const { module, instance } = await instantiate(fitting(source as BufferSource, memory), { env: { memory } });
      return checked(instantiated(module, memory, compileFamily, instance), variant);
    },
    instantiateSync(variant, memory) {
      if (isA("Module", supplied)) return checked(instantiated(supplied as WebAssembly.Module, memory), variant);
      if (!isNumericArray(supplied) && !isA("ArrayBuffer", supplied)) {
        throw new Error("wasm is not at hand yet: a Response, a URL or a promise needs the asynchronous createCore");
      }
      const { module, instance } = loadSync(fitting(supplied as BufferSource, memory), { env: { memory } });
      return checked(instantiated(module, memory, compileFamily, instance), variant);
    },
    loadThreads: () => import("../threads/start.js"),
  };
}

/** A Module, or the bytes of one. */
async function receive(supplied: UserWasm | PromiseLike<UserWasm>): Promise<WebAssembly.Module | BufferSource> {
  const awaited = await supplied;
  const source = isA("URL", awaited) ? (readFile(awaited as URL) ?? (await fetch(awaited as URL))) : awaited;
  if (!isA("Response", source)) return source as WebAssembly.Module | BufferSource;
  const response = source as Response;
  if (!response.ok) throw new Error(`${response.url || "the response"} has status ${response.status}`);
  return response.arrayBuffer();
}

/** What a `file:` URL names: Node does not fetch those. */
function readFile(url: URL): BufferSource | undefined {
  if (url.protocol !== "file:") return undefined;
  return builtinModule<{ readFileSync(url: URL): BufferSource }>("node:fs")?.readFileSync(url);
}

/** The bytes as the memory needs them. */
function fitting(source: BufferSource, memory: WebAssembly.Memory): BufferSource {
  if (!isShared(memory)) return source;
  const bytes = ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
  return bytesFor(memory, Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""));
}

/** Throws unless the binary is of the variant that the core takes it for. */
function checked(binary: Instantiated, variant: WasmVariant): Instantiated {
  if (variant !== "simd" && variant !== "relaxed") throw new Error("lanewise/slim has no wide mode");
  const { is_relaxed } = binary.kernels as { is_relaxed?: () => number };
  if (is_relaxed?.() !== +(variant === "relaxed")) throw new Error(`the given Wasm is not ${variant}.wasm`);
  return { ...binary, note: undefined }; // the caller's bytes are taken as they are, but for a shared memory
}

/** `instanceof` for any realm. */
function isA(name: string, value: unknown): boolean {
  const tag = tagOf(value);
  return tag === `[object ${name}]` || tag === `[object WebAssembly.${name}]`;
}

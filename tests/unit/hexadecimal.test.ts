// Binaries are decoded by whatever the runtime has for it, with one result.
import { describe, expect, it } from "vitest";
import { binary } from "../../src/backend/wasm/binaries/simd.js";
import { decodeHex } from "../../src/backend/wasm/instantiate.js";

const decode = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const allBytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0")).join("");

describe.each([
  ["Uint8Array.fromHex", { Uint8Array: { fromHex: decode } }],
  ["Buffer.from", { Uint8Array: {}, Buffer: { from: decode } }],
  ["neither", { Uint8Array: {} }],
  ["a Buffer that is something else", { Uint8Array: {}, Buffer: {} }],
  ["what this runtime has", undefined],
])("decodeHex with %s", (_, scope) => {
  it.each([
    ["nothing", ""],
    ["every byte", allBytes],
    ["a binary", binary],
  ])("decodes %s", (_, hex) => {
    const bytes = decodeHex(hex, scope);
    expect(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")).toBe(hex);
  });
});

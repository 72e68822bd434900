// JavaScriptCore gets splats of its own by a replacement in the binaries' hexadecimal. The conformance tests run the
// result; this is about where it is replaced and who gets it.
import { afterEach, describe, expect, it } from "vitest";
import { binary as conv } from "../../src/backend/wasm/binaries/conv.js";
import { binary as relaxed } from "../../src/backend/wasm/binaries/relaxed.js";
import { binary as simd } from "../../src/backend/wasm/binaries/simd.js";
import { forJavaScriptCore, isJavaScriptCore } from "../../src/backend/wasm/javascriptcore.js";
import { createCore, createCoreSync } from "../../src/entry/inline.js";
import { matmul } from "../../src/index.js";
import { expectSameBits } from "../helpers/bits.js";
import { randomValues } from "../helpers/random.js";

/** Where two strings of one length differ. */
const differences = (a: string, b: string) => [...a].flatMap((digit, i) => (digit === b[i] ? [] : [i]));

describe.each([
  ["simd", simd, 1],
  ["relaxed", relaxed, 1],
  ["conv", conv, 2],
])("%s for JavaScriptCore", (_, hex, tiles) => {
  it("has other splats in the twelve copies of each tile's loop, and nothing else", () => {
    const changed = forJavaScriptCore(hex);
    expect(changed.length).toBe(hex.length);
    const bytes = new Set(differences(hex, changed).map((digit) => digit >> 1));
    // Of a splat at offset 4 or 12 all five bytes change, of one at offset 8 all seven but a zero.
    expect(bytes.size).toBe(12 * tiles * (5 + 5 + 6));
    const validates = (digits: string) => WebAssembly.validate(Buffer.from(digits, "hex"));
    expect(validates(changed)).toBe(validates(hex)); // Node 20 has no relaxed SIMD
  });
});

describe("in an engine whose errors have a line", () => {
  afterEach(() => {
    Reflect.deleteProperty(Error.prototype, "line");
  });

  it("a core gets that form, says so, and computes the same bits", async () => {
    expect(isJavaScriptCore()).toBe(false);
    const standard = createCoreSync();
    Object.defineProperty(Error.prototype, "line", { value: 1, configurable: true });
    expect(isJavaScriptCore()).toBe(true);
    const products = [standard, createCoreSync(), await createCore()].map((core) => {
      const a = core.tensor([96, 128], randomValues(96 * 128, 1));
      const b = core.tensor([128, 96], randomValues(128 * 96, 2));
      return { reason: core.reason, product: matmul(a, b).data };
    });
    const form = "simd passed its self-test, in the form for JavaScriptCore";
    expect(products.map(({ reason }) => reason)).toEqual(["simd passed its self-test", form, form]);
    for (const { product } of products) expectSameBits(product, products[0]!.product, "product");
  });
});

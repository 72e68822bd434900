import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type AllKernels, families } from "../helpers/conformance.js";
import { randomSource } from "../helpers/random.js";

// The end of a block that ends where a memory of 4 GiB does is address 0: a loop that runs while its address is below
// the end would not run at all.
const END = 2 ** 32;
const memory = new WebAssembly.Memory({ initial: 65536, maximum: 65536 });
const f32 = new Float32Array(memory.buffer);
const binaries = families.map(({ name }) => (name === "core" ? "simd" : name));
const instances = binaries.map((name) => {
  const bytes = Uint8Array.from(readFileSync(new URL(`../../build/wasm/${name}.wasm`, import.meta.url)));
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports;
});
const kernels: AllKernels = Object.assign({}, ...instances);

/** A kernel call over operands of these lengths; those named in `indices` are integers from 0 to 3. */
type Case = [name: string, lengths: number[], call: (k: AllKernels, ...p: number[]) => unknown, ...indices: number[]];

const SCRATCH = 2 ** 20;
const NONE = 0;

// biome-ignore format: a line for each call
function casesOf(n: number): Case[] {
  return [
    ["add", [n, n, n], (k, a, b, y) => k.add_f32(n, a!, b!, y!)],
    ["add rows", [3 * n, n, 3 * n], (k, a, b, y) => k.add_rows_f32(3, n, a!, n, b!, 0, y!, n)],
    ["scale", [n, n], (k, x, y) => k.scale_f32(n, 2, x!, y!)],
    ["copy", [3 * n, 3 * n], (k, x, y) => k.copy_rows_f32(3, n - 1, x!, n, y!, n)],
    ["transpose", [5 * n, 5 * n], (k, x, y) => k.transpose_f32(1, n, 5, 1, x!, y!)],
    ["transpose runs", [15 * n, 15 * n], (k, x, y) => k.transpose_f32(1, n, 5, 3, x!, y!)],
    ...[1, 5].flatMap((inner): Case[] => [
      ["sum", [2 * n * inner, 2 * inner], (k, x, y) => k.sum_f32(2, n, inner, x!, y!)],
      ["max", [2 * n * inner, 2 * inner], (k, x, y) => k.max_f32(2, n, inner, x!, y!)],
      ["broadcast", [2 * inner, 2 * n * inner], (k, x, y) => k.broadcast_f32(2, n, inner, 3, x!, y!)],
    ]),
    ["softmax", [2 * n, 2 * n], (k, x, y) => k.softmax_f32(2, n, x!, y!)],
    ["softmax backward", [2 * n, 2 * n, 2 * n], (k, y, dy, dx) => k.softmax_backward_f32(2, n, y!, dy!, dx!)],
    ["log softmax", [2 * n, 2 * n], (k, x, y) => k.log_softmax_f32(2, n, x!, y!)],
    ["log softmax backward", [2 * n, 2 * n, 2 * n], (k, y, dy, dx) => k.log_softmax_backward_f32(2, n, y!, dy!, dx!)],
    ["gather", [6, 4 * n, 6 * n], (k, i, x, y) => k.gather_f32(1, 6, n, 4, i!, 0, x!, y!, 6 * n), 0],
    ["scatter", [6, 6 * n, 4 * n], (k, i, x, y) => k.scatter_add_f32(6, n, 4, n, i!, 0, 0, x!, y!), 0],
    ["collect", [6, 6 * n, 6, 6 * n, 4], (k, i, x, t, s, m) => k.collect_rows_f32(6, n, 4, i!, 0, x!, t!, s!, m!), 0],
    ["batch norm", [5 * n, n, n, 5 * n, n, n, n, n], (k, x, g, b, y, m, r, mm, mv) => k.batch_norm_f32(5, n, n, 1e-3, 0.9, 0.1, 0, x!, g!, b!, y!, m!, r!, mm!, mv!)],
    ["batch norm, inference", [5 * n, n, n, n, n, 5 * n, n], (k, x, g, b, m, v, y, r) => k.batch_norm_inference_f32(5, n, n, 2, x!, g!, b!, m!, v!, y!, r!)],
    ["batch norm backward", [5 * n, 5 * n, n, n, n, 5 * n, n, n], (k, x, dy, g, m, r, dx, dg, db) => k.batch_norm_backward_f32(5, n, n, 0, x!, dy!, g!, m!, r!, dx!, dg!, db!)],
    ["group norm", [4 * n, 2 * n, 2 * n, 4 * n, 2, 2], (k, x, g, b, y, m, r) => k.group_norm_f32(1, 2, 2, n, 1, 1e-3, x!, g!, b!, y!, m!, r!)],
    ["group norm backward", [4 * n, 4 * n, n, 4, 4, 4 * n], (k, x, dy, g, m, r, dx) => k.group_norm_backward_f32(4, 1, 1, n, 1, x!, dy!, g!, m!, r!, dx!)],
    ["group norm parameters", [4 * n, 4 * n, 4, 4, n, n], (k, x, dy, m, r, dg, db) => k.group_norm_parameters_f32(0, n, 4, 1, 1, n, x!, dy!, m!, r!, dg!, db!)],
    ...Array.from({ length: 11 }, (_, kind): Case => [`unary ${kind}`, [n, n], (k, x, y) => k.unary_f32(kind, n, 1, x!, y!)]),
    ...Array.from({ length: 11 }, (_, kind): Case => [`unary backward ${kind}`, [n, n, n], (k, x, dy, dx) => k.unary_backward_f32(kind, n, 1, x!, dy!, dx!)]),
    ["prelu", [3 * n, n, 3 * n], (k, x, a, y) => k.prelu_f32(3, n, x!, a!, y!)],
    ["prelu backward", [3 * n, n, 3 * n, 3 * n, n], (k, x, a, dy, dx, da) => k.prelu_backward_f32(3, n, n, x!, a!, dy!, dx!, da!)],
    ["attention", [8 * n, 8 * n, 8 * n, n, 8 * n], (k, q, key, v, m, o) => k.attention_f32(0, 2, 2, n, n, 4, 4, 1, 0.5, q!, key!, v!, m!, o!, SCRATCH), 3],
    ["attention backward", [8 * n, 8 * n, 8 * n, n, 8 * n, 8 * n, 8 * n, 8 * n], (k, q, key, v, m, d, dq, dk, dv) => k.attention_backward_f32(0, 2, 2, n, n, 4, 4, 0, 0.5, q!, key!, v!, m!, d!, dq!, dk!, dv!, SCRATCH), 3],
    ["squared error", [2 * n, 2 * n, 2, 2 * n], (k, y, t, w, g) => k.mean_squared_error_f32(2, n, y!, t!, w!, g!)],
    ["binary cross-entropy", [n, n, n], (k, y, t, g) => k.binary_cross_entropy_f32(1, n, y!, t!, NONE, g!)],
    ["hinge", [n, n, n], (k, y, t, g) => k.hinge_f32(1, n, y!, t!, NONE, g!)],
    ["divergence", [n, n, n], (k, y, t, g) => k.kl_divergence_f32(1, n, y!, t!, NONE, g!, 1)],
    ["cross-entropy", [3 * n, 3 * n, 3, 3 * n], (k, z, t, w, g) => k.softmax_cross_entropy_f32(3, n, z!, t!, 0, w!, 1, g!)],
    ["cross-entropy of indices", [3 * n, 3, 3, 3 * n], (k, z, t, w, g) => k.softmax_cross_entropy_f32(3, n, z!, t!, 1, w!, 1, g!), 1],
    ["smooth labels", [3 * n, 3 * n], (k, t, o) => k.smooth_labels_f32(3, n, t!, 0, 0.9, 0.1, o!)],
    ["class weights", [3 * n, n, 3, 3], (k, t, c, w, o) => k.class_weights_f32(3, n, t!, 0, n, c!, w!, 1, o!)],
    ["positive weights", [n, n, n, n], (k, t, w, o, ow) => k.positive_weights_f32(n, t!, 3, w!, 1, o!, ow!)],
    ["activation", [n, n], (k, x, y) => k.activation_f32(2, n, x!, y!)],
    ["activation backward", [3 * n, 3 * n, 3 * n, n], (k, y, dy, dx, s) => k.activation_backward_f32(2, 3, n, y!, dy!, dx!, s!)],
    ...[0, 1, 2, 3].map((activation): Case => [`product with activation ${activation}`, [5 * n, 3 * n, 15, 3], (k, a, b, c, bias) => k.gemm_f32(1, 5, 3, n, 0.5, a!, 0, n, 0, b!, 0, 3, 0, 0, c!, 0, 3, bias!, activation, SCRATCH)]),
    ...[0, 1, 2, 3].map((activation): Case => [`wide product with activation ${activation}`, [4 * 7, 7 * n, 4 * n, n], (k, a, b, c, bias) => k.gemm_f32(1, 4, n, 7, 1, a!, 0, 7, 0, b!, 0, n, 0, 1, c!, 0, n, bias!, activation, SCRATCH)]),
    ["product of transposes", [2 * n, 3 * n, 6], (k, a, b, c) => k.gemm_f32(1, 2, 3, n, 1, a!, 0, 2, 1, b!, 0, n, 1, 0, c!, 0, 3, NONE, 0, SCRATCH)],
    ["row by matrix", [n, n * n, n, n], (k, a, b, c, bias) => k.gemm_f32(1, 1, n, n, 1, a!, 0, n, 0, b!, 0, n, 0, 0, c!, 0, n, bias!, 2, SCRATCH)],
    ["matrix by column", [n * n, n, n], (k, a, b, c) => k.gemm_f32(1, n, 1, n, 1, a!, 0, n, 0, b!, 0, 1, 0, 0, c!, 0, 1, NONE, 1, SCRATCH)],
    ["dropout", [n, n], (k, x, y) => k.dropout_f32(n, x!, y!, 1, 2 ** 30, 2)],
    ["count correct", [3 * n, 3 * n], (k, y, t) => k.count_correct_f32(3, n, y!, t!, 0, 0)],
  ];
}

/** Runs a call with its operands at these addresses; returns its result and what it left in them, as bits. */
function run([, lengths, call, ...indices]: Case, ptrs: readonly number[]): unknown[] {
  const next = randomSource(7);
  lengths.forEach((length, i) => {
    const values = Array.from({ length }, () => (indices.includes(i) ? Math.floor(next() * 4) : 2 * next() - 1));
    f32.set(values, ptrs[i]! / 4);
  });
  const result = call(kernels, ...ptrs.map((ptr) => ptr | 0));
  return [result, ...lengths.map((length, i) => Array.from(new Int32Array(memory.buffer, ptrs[i]!, length)))];
}

describe("a block that ends at the end of memory", () => {
  it.each([8, 13, 16, 21])("is computed as any other, size %i", (size) => {
    for (const each of casesOf(size)) {
      const [name, lengths] = each;
      let at = 1024;
      const low = lengths.map((length) => {
        const ptr = at;
        at += 4 * length + 256;
        return ptr;
      });
      const expected = run(each, low);
      lengths.forEach((length, which) => {
        const high = low.map((ptr, i) => (i === which ? END - 4 * length : ptr));
        expect(run(each, high), `${name}, operand ${which}`).toEqual(expected);
      });
    }
  });
});

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Window } from "../../src/backend/window.js";
import { type AllKernels, conform, type Operands } from "../helpers/conformance.js";
import { windowWords } from "../helpers/window.js";
import { fromHex } from "./vectors.js";

/** What a framework computed of images: operands and results in hexadecimal. */
interface ImageCase {
  kind: "conv2d" | "depthwise" | "transposed" | "max" | "average" | "nearest" | "bilinear";
  window: Window;
  alignCorners?: boolean;
  halfPixelCenters?: boolean;
  x: string;
  y: string;
  weight?: string;
  bias?: string;
  dy?: string;
  dx?: string;
  dw?: string;
}

/** Runs what a case is about on every backend: y, dx and dw. */
function run(c: ImageCase): Operands {
  const w = c.window;
  const read = (hex: string | undefined) => fromHex(hex ?? "");
  const [x, y, weight] = [read(c.x), read(c.y), read(c.weight)];
  const dy = c.dy === undefined ? new Float32Array(y.length) : read(c.dy);
  const results = {
    y: new Float32Array(y.length),
    dx: new Float32Array(x.length),
    dw: new Float32Array(weight.length),
  };
  const operands: Operands = { window: windowWords(w), x, weight, bias: read(c.bias), dy, ...results };
  const call = (kernels: AllKernels, ptr: Record<string, number>) => {
    const [window, x, weight, dy] = [ptr["window"]!, ptr["x"]!, ptr["weight"]!, ptr["dy"]!];
    const [y, dx, dw, scratch] = [ptr["y"]!, ptr["dx"]!, ptr["dw"]!, ptr["scratch"]!];
    const bias = c.bias === undefined ? 0 : ptr["bias"]!;
    const [rows, inRows] = [w.batch * w.outHeight, w.batch * w.inHeight];
    const taps = w.kernelHeight * w.kernelWidth;
    const lines = (taps * w.inChannels) / w.groups;
    const [align, half] = [+(c.alignCorners ?? false), +(c.halfPixelCenters ?? false)];
    switch (c.kind) {
      case "conv2d":
        kernels.conv2d_f32(window, 0, rows, x, weight, bias, 0, y, scratch);
        kernels.conv2d_backward_input_f32(window, 0, inRows, dy, weight, 0, 0, dx, scratch);
        kernels.conv2d_backward_weight_f32(window, 0, lines, x, dy, dw, scratch);
        break;
      case "transposed":
        kernels.conv2d_backward_input_f32(window, 0, inRows, x, weight, bias, 0, y, scratch);
        kernels.conv2d_f32(window, 0, rows, dy, weight, 0, 0, dx, scratch);
        kernels.conv2d_backward_weight_f32(window, 0, lines, dy, x, dw, scratch);
        break;
      case "depthwise":
        kernels.depthwise_conv2d_f32(window, 0, rows, x, weight, bias, 0, y, scratch);
        kernels.depthwise_conv2d_backward_input_f32(window, 0, inRows, dy, weight, dx, scratch);
        kernels.depthwise_conv2d_backward_weight_f32(window, 0, w.outChannels, x, dy, dw, scratch);
        break;
      case "max":
        kernels.max_pool_f32(window, 0, rows, x, y);
        kernels.max_pool_backward_f32(window, 0, w.batch, x, y, dy, dx);
        break;
      case "average":
        kernels.average_pool_f32(window, 0, rows, x, y);
        kernels.average_pool_backward_f32(window, 0, w.batch, dy, dx);
        break;
      case "nearest":
        kernels.resize_nearest_f32(window, 0, rows, align, half, x, y);
        kernels.resize_nearest_backward_f32(window, 0, w.batch, align, half, dy, dx);
        break;
      case "bilinear":
        kernels.resize_bilinear_f32(window, 0, rows, align, half, x, y);
        kernels.resize_bilinear_backward_f32(window, 0, w.batch, align, half, dy, dx);
        break;
    }
  };
  const scratchBytes = (kernels: AllKernels, { window }: Record<string, number>) => {
    if (!["conv2d", "transposed", "depthwise"].includes(c.kind)) return 0;
    if (c.kind === "depthwise") {
      const inputBytes = kernels.depthwise_conv2d_backward_input_scratch_bytes(window!);
      return Math.max(kernels.depthwise_conv2d_scratch_bytes(window!), inputBytes);
    }
    const backward = kernels.conv2d_backward_input_scratch_bytes(window!);
    const weightBytes = kernels.conv2d_backward_weight_scratch_bytes(window!);
    return Math.max(kernels.conv2d_scratch_bytes(window!), backward, weightBytes);
  };
  return conform(c.kind, operands, call, scratchBytes).operands;
}

/**
 * Kinds that divide or blend, and so round; PyTorch computes where to blend in float32. The others are sums of integers,
 * which are exact.
 */
const ROUNDED = ["average", "bilinear"];

describe.each(["pytorch", "tfjs"])("images of %s", (name) => {
  const file = new URL(`vectors/images/${name}.json`, import.meta.url);
  const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: ImageCase[] };

  it.each(cases.map((c, i) => [i, c.kind, c] as const))("%i: %s", (_, __, c) => {
    const after = run(c);
    for (const key of ["y", "dx", "dw"] as const) {
      if (c[key] === undefined) continue;
      const expected = fromHex(c[key]);
      expect(expected.length, key).toBe(after[key]!.length);
      for (const [i, value] of expected.entries()) {
        const actual = after[key]![i]!;
        if (!ROUNDED.includes(c.kind)) expect(actual + 0, `${key}[${i}]`).toBe(value + 0);
        else expect(Math.abs(actual - value), `${key}[${i}]: ${actual}, ${value}`).toBeLessThanOrEqual(2 ** -17);
      }
    }
  });
});

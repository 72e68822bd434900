import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { type Acceleration, accelerate, rmsprop } from "lanewise/tfjs";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { randomValues } from "../helpers/random.js";
import { difference } from "./matrix.js";

const kernelOf = (name: string) => tf.getKernel(name, "wasm")?.kernelFunc;
const registered = () => new Map(tf.getKernelsForBackend("wasm").map((kernel) => [kernel.kernelName, kernel]));

describe("accelerate", () => {
  let acceleration: Acceleration | undefined;
  beforeAll(async () => {
    await tf.setBackend("wasm");
  });
  afterEach(async () => {
    acceleration?.restore();
    await tf.setBackend("wasm");
  });

  it("says what it replaced and added, and takes all of it back", async () => {
    const before = registered();
    const gradients = ["Tile", "Einsum", "FusedBatchNorm"].map(tf.getGradient);
    acceleration = await accelerate();
    const { replaced, added, left } = acceleration;
    expect(left["Softmax"]).toBe("TensorFlow.js's own is as fast");
    for (const name of [...replaced, ...added]) expect(left[name]).toBeUndefined();
    expect(replaced).toEqual(expect.arrayContaining(["BatchMatMul", "_FusedMatMul", "Conv2D", "GatherV2", "Sum"]));
    expect(added).toEqual(expect.arrayContaining(["Conv2DBackpropFilter", "UnsortedSegmentSum", "Einsum"]));
    for (const name of replaced) expect(kernelOf(name)).not.toBe(before.get(name)!.kernelFunc);
    for (const name of added) expect(before.has(name)).toBe(false);
    for (const name of added) expect(kernelOf(name)).toBeDefined();
    acceleration.restore();
    expect(registered()).toEqual(before);
    expect(["Tile", "Einsum", "FusedBatchNorm"].map(tf.getGradient)).toEqual(gradients);
  });

  it("is done once, however often it is asked for", async () => {
    const [first, second] = await Promise.all([accelerate(), accelerate()]);
    acceleration = first;
    expect(second).toBe(first);
    expect(await accelerate()).toBe(first);
    const before = registered();
    await accelerate();
    expect(registered()).toEqual(before);
    first.restore();
    first.restore(); // nothing to do
    acceleration = await accelerate();
    expect(acceleration).not.toBe(first);
    first.restore(); // not its own
    expect(acceleration.added).toContain("Einsum");
    expect(kernelOf("Einsum")).toBeDefined();
  });

  it("waits for a backend that is under way", async () => {
    await tf.setBackend("cpu");
    const pending = tf.setBackend("wasm");
    acceleration = await accelerate();
    expect(await pending).toBe(true);
    expect(tf.getBackend()).toBe("wasm");
    expect(acceleration.replaced.length).toBeGreaterThan(8);
  });

  it("leaves the kernels that are named", async () => {
    const before = registered();
    acceleration = await accelerate({ except: ["Sum", "Einsum"] });
    expect(acceleration.left).toMatchObject({
      Sum: "it is among options.except",
      Einsum: "it is among options.except",
    });
    expect(acceleration.replaced).not.toContain("Sum");
    expect(kernelOf("Sum")).toBe(before.get("Sum")!.kernelFunc);
    expect(kernelOf("Einsum")).toBeUndefined();
    expect(tf.getGradient("Einsum")).toBeUndefined();
  });

  it.each<[string, unknown, string]>([
    ["an unknown option", { kernels: [] }, "options.kernels is not an option"],
    ["no array", { except: "Sum" }, 'except is "Sum", expected an array of names of kernels'],
    ["an unknown kernel", { except: ["sum"] }, 'except is "sum", expected names among "AvgPool", "'],
  ])("refuses %s", async (_, options, message) => {
    const before = registered();
    await expect(accelerate(options as object)).rejects.toThrow(message);
    expect(registered()).toEqual(before);
  });

  it("refuses another backend", async () => {
    await tf.setBackend("cpu");
    const before = registered();
    await expect(accelerate()).rejects.toThrow('the backend is "cpu", expected "wasm"');
    expect(registered()).toEqual(before);
  });

  it("keeps its hands off other backends", async () => {
    acceleration = await accelerate();
    const x = () => tf.tensor2d(randomValues(6, 1), [2, 3]);
    const gradient = () =>
      tf
        .grad((t) => tf.tile(t, [2, 3]).square().sum())(x())
        .dataSync();
    const accelerated = gradient();
    await tf.setBackend("cpu");
    const theirs = gradient();
    expect(tf.matMul(x(), x(), false, true).shape).toEqual([2, 2]);
    expect(difference(accelerated as Float32Array, theirs as Float32Array, 1e-5)).toBeUndefined();
  });

  it("tensors that are made while the heap grows keep their values", async () => {
    acceleration = await accelerate();
    const kept = tf.tensor2d(randomValues(64 * 64, 1), [64, 64]);
    const expected = tf.matMul(kept, kept).dataSync();
    const large = Array.from({ length: 24 }, (_, i) => tf.fill([1024, 1024], i)); // 96 MiB
    expect(tf.matMul(kept, kept).dataSync()).toEqual(expected);
    expect(large[23]!.sum().dataSync()[0]).toBe(23 * 1024 * 1024);
    tf.dispose(large);
  });

  it("clones share their elements, and an optimizer leaves them alone", async () => {
    acceleration = await accelerate();
    const x = tf.variable(tf.tensor1d([1, 2, 3]));
    const clone = x.clone();
    rmsprop(0.1).minimize(() => x.square().sum() as tf.Scalar);
    expect(Array.from(clone.dataSync())).toEqual([1, 2, 3]);
    expect(Array.from(x.dataSync())).not.toEqual([1, 2, 3]);
    x.dispose();
    expect(Array.from(clone.dataSync())).toEqual([1, 2, 3]);
  });
});

// Convolutions, pooling and resizing of TensorFlow.js's cpu backend, with their gradients.
import "@tensorflow/tfjs-backend-cpu";
import { mkdirSync, writeFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";

await tf.setBackend("cpu");

/** Numbers of a small set, the same in every run. */
function values(shape, seed, set) {
  let state = seed + 1;
  return tf.tensor(
    Array.from({ length: tf.util.sizeFromShape(shape) }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return set[Math.floor((state / 2 ** 32) * set.length)];
    }),
    shape,
  );
}

const integers = [-7, -5, -3, -2, -1, 0, 1, 2, 4, 6, 8];
const special = [Number.NaN, Number.NEGATIVE_INFINITY, -2, 0, 1, 3];

function hex(tensor) {
  const values = tf.engine().backend.readSync(tensor.dataId);
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, x] of values.entries()) {
    if (Number.isNaN(x)) bytes.writeUInt32BE(0x7fc00000, i * 4);
    else bytes.writeFloatBE(x, i * 4);
  }
  return bytes.toString("hex");
}

const hexes = (tensors) => Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, hex(tensor)]));

/** The window that tf.backend_util says. */
function windowOf(info) {
  return {
    batch: info.batchSize,
    inHeight: info.inHeight,
    inWidth: info.inWidth,
    inChannels: info.inChannels,
    outHeight: info.outHeight,
    outWidth: info.outWidth,
    outChannels: info.outChannels,
    kernelHeight: info.filterHeight,
    kernelWidth: info.filterWidth,
    strideHeight: info.strideHeight,
    strideWidth: info.strideWidth,
    dilationHeight: info.dilationHeight,
    dilationWidth: info.dilationWidth,
    padTop: info.padInfo.top,
    padLeft: info.padInfo.left,
    groups: 1,
  };
}

/** A kernel of the backend: the package's gradient functions cannot be imported in Node. */
const kernel = (name, inputs, attributes) => tf.engine().runKernel(name, inputs, attributes);

const cases = [];
for (const [i, [shape, filter, strides, padding]] of [
  [[2, 7, 5, 3], [3, 2, 3, 5], [2, 2], "same"],
  [[1, 6, 9, 4], [3, 3, 4, 9], [1, 2], "same"],
  [[1, 8, 7, 2], [3, 3, 2, 6], [2, 1], "valid"],
  [
    [1, 5, 6, 3],
    [2, 3, 3, 4],
    [1, 1],
    [
      [0, 0],
      [2, 1],
      [0, 3],
      [0, 0],
    ],
  ],
].entries()) {
  const x = values(shape, i, integers);
  const weight = values(filter, 50 + i, integers);
  const info = tf.backend_util.computeConv2DInfo(shape, filter, strides, 1, padding);
  const y = tf.conv2d(x, weight, strides, padding);
  const dy = values(y.shape, 70 + i, integers);
  const about = { strides, pad: padding, dataFormat: "NHWC" };
  const dx = kernel("Conv2DBackpropInput", { dy, filter: weight }, { ...about, inputShape: shape });
  const dw = kernel("Conv2DBackpropFilter", { x, dy }, { ...about, filterShape: filter });
  cases.push({ kind: "conv2d", window: windowOf(info), ...hexes({ x, weight, dy, y, dx, dw }) });
}
for (const [i, [shape, filter, strides, dilations, padding]] of [
  [[2, 7, 5, 3], [3, 2, 3, 2], [2, 2], [1, 1], "same"],
  [[1, 9, 9, 5], [3, 3, 5, 1], [1, 1], [2, 2], "same"],
].entries()) {
  const x = values(shape, 100 + i, integers);
  const weight = values(filter, 150 + i, integers);
  const info = tf.backend_util.computeConv2DInfo(shape, filter, strides, dilations, padding, undefined, true);
  const y = tf.depthwiseConv2d(x, weight, strides, padding, "NHWC", dilations);
  if (dilations[0] > 1) {
    // Its gradients take no notice of dilations.
    cases.push({ kind: "depthwise", window: windowOf(info), ...hexes({ x, weight, y }) });
    continue;
  }
  const dy = values(y.shape, 170 + i, integers);
  const about = { strides, dilations, pad: padding };
  const dx = kernel("DepthwiseConv2dNativeBackpropInput", { dy, filter: weight }, { ...about, inputShape: shape });
  const dw = kernel("DepthwiseConv2dNativeBackpropFilter", { x, dy }, { ...about, filterShape: filter });
  cases.push({ kind: "depthwise", window: windowOf(info), ...hexes({ x, weight, dy, y, dx, dw }) });
}
for (const set of [integers, special]) {
  for (const [i, [shape, size, strides, padding]] of [
    [[2, 7, 5, 3], [3, 2], [2, 2], "same"],
    [[1, 6, 6, 9], [2, 2], [2, 2], "valid"],
    [[1, 5, 6, 2], [3, 3], [1, 1], "same"],
  ].entries()) {
    const x = values(shape, 200 + i, set);
    const info = tf.backend_util.computePool2DInfo(shape, size, strides, 1, padding);
    const y = tf.maxPool(x, size, strides, padding);
    const dy = values(y.shape, 250 + i, integers);
    const dx = kernel("MaxPoolGrad", { dy, input: x, output: y }, { filterSize: size, strides, pad: padding });
    cases.push({ kind: "max", window: windowOf(info), ...hexes({ x, y, dy, dx }) });
    if (set === special) continue;
    // Its gradient of a mean counts the padding; ours does not, as TensorFlow's.
    cases.push({ kind: "average", window: windowOf(info), ...hexes({ x, y: tf.avgPool(x, size, strides, padding) }) });
  }
}
for (const kind of ["nearest", "bilinear"]) {
  for (const [alignCorners, halfPixelCenters] of [
    [false, false],
    [true, false],
    [false, true],
  ]) {
    for (const [i, [shape, size]] of [
      [
        [1, 3, 4, 5],
        [6, 8],
      ], // its gradients read dy of the first image for all
      [
        [1, 7, 5, 3],
        [3, 4],
      ],
      [
        [1, 4, 3, 2],
        [9, 1],
      ],
    ].entries()) {
      const x = values(shape, 300 + i, integers);
      const resize = kind === "nearest" ? tf.image.resizeNearestNeighbor : tf.image.resizeBilinear;
      const y = resize(x, size, alignCorners, halfPixelCenters);
      const window = windowOf(tf.backend_util.computePool2DInfo(shape, [1, 1], [1, 1], 1, 0));
      const [outHeight, outWidth] = size;
      // Its gradients take no notice of halfPixelCenters.
      const about = { kind, alignCorners, halfPixelCenters, window: { ...window, outHeight, outWidth } };
      if (halfPixelCenters) {
        cases.push({ ...about, ...hexes({ x, y }) });
        continue;
      }
      const dy = values(y.shape, 350 + i, integers);
      const name = kind === "nearest" ? "ResizeNearestNeighborGrad" : "ResizeBilinearGrad";
      cases.push({ ...about, ...hexes({ x, y, dy, dx: kernel(name, { images: x, dy }, { alignCorners }) }) });
    }
  }
}

const directory = `${process.env.GOLDEN_VECTORS ?? new URL("../vectors", import.meta.url).pathname}/images`;
mkdirSync(directory, { recursive: true });
const content = { framework: "TensorFlow.js", version: tf.version_core, cases };
writeFileSync(`${directory}/tfjs.json`, `${JSON.stringify(content, null, 1)}\n`);

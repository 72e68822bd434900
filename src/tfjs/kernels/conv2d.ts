import type { TensorInfo } from "@tensorflow/tfjs-core";
import { type FusedAttributes, fused } from "./fused.js";
import { type KernelContext, scratchFor, type TfKernel } from "./kernel.js";
import { isFloat32, sizeOf } from "./shapes.js";
import { isEmpty, isOutput, type WindowAttributes } from "./window.js";

/** Runs an operation over NHWC images; NCHW ones have their axes exchanged before and after. */
function channelsLast(
  x: TensorInfo,
  attrs: WindowAttributes,
  { heap }: KernelContext,
  operation: (x: TensorInfo) => TensorInfo | undefined,
): TensorInfo | undefined {
  if (attrs.dataFormat !== "NCHW") return operation(x);
  const images = heap.call("Transpose", { x }, { perm: [0, 2, 3, 1] });
  const y = operation(images);
  heap.dispose(images);
  if (y === undefined) return undefined;
  const result = heap.call("Transpose", { x: y }, { perm: [0, 3, 1, 2] });
  heap.dispose(y);
  return result;
}

/** y = activation(x ∗ filter + bias) over NHWC images. */
function forward(
  x: TensorInfo,
  filter: TensorInfo,
  attrs: WindowAttributes,
  biasPtr: number,
  activation: number,
  context: KernelContext,
): TensorInfo | undefined {
  const window = context.windows.convolution(x.shape, filter.shape, attrs, false);
  const { heap, conv } = context;
  // With a number for `pad` TensorFlow.js takes every window for a square, and may find no room for it.
  if (sizeOf(window.outShape) === 0) return heap.output([...window.outShape]);
  if (isEmpty(window, filter)) return undefined;
  const rows = window.batch * window.outHeight;
  const y = heap.output([...window.outShape]);
  const scratch = scratchFor("conv2d_scratch_bytes", window, context);
  const [from, weight, to] = [heap.address(x), heap.address(filter), heap.address(y)];
  conv.conv2d_f32(window.ptr, 0, rows, from, weight, biasPtr, activation, to, scratch);
  return y;
}

/** Convolution of images, as a product that reads the pixels in place. */
export const conv2D: TfKernel = {
  name: "Conv2D",
  run({ x, filter }, attrs, context) {
    if (!isFloat32(x) || !isFloat32(filter)) return undefined;
    const window = attrs as WindowAttributes;
    return channelsLast(x, window, context, (images) => forward(images, filter, window, 0, 0, context));
  },
};

/** Convolution, bias and activation in one. */
export const fusedConv2D: TfKernel = {
  name: "FusedConv2D",
  run(inputs, attrs, context) {
    const { x, filter } = inputs;
    if (!isFloat32(x) || !isFloat32(filter)) return undefined;
    const window = attrs as WindowAttributes & FusedAttributes;
    const columns = filter.shape[3]!;
    const last = (images: TensorInfo) =>
      fused(inputs, window, columns, context, (biasPtr, activation) =>
        forward(images, filter, window, biasPtr, activation, context),
      );
    // A vector belongs to the channels, wherever they are; anything else is broadcast as it is.
    if (window.dataFormat !== "NCHW" || isVector(inputs["preluActivationWeights"])) {
      return channelsLast(x, window, context, last);
    }
    return fused(inputs, window, columns, context, (biasPtr, activation) =>
      channelsLast(x, window, context, (images) => forward(images, filter, window, biasPtr, activation, context)),
    );
  },
};

const isVector = (tensor: TensorInfo | null | undefined): boolean => tensor?.shape.length === 1;

/** Gradient by the images, and with that transposed convolution. TensorFlow.js's runs six scalar loops. */
export const conv2DBackpropInput: TfKernel = {
  name: "Conv2DBackpropInput",
  run({ dy, filter }, attrs, context) {
    if (!isFloat32(dy) || !isFloat32(filter)) return undefined;
    const { inputShape, ...window } = attrs as WindowAttributes & { inputShape: number[] };
    const isFirst = window.dataFormat === "NCHW";
    const shape = isFirst ? [0, 2, 3, 1].map((axis) => inputShape[axis]!) : inputShape;
    return channelsLast(dy, window, context, (images) => {
      const planned = context.windows.convolution(shape, filter.shape, { ...window, dilations: 1 }, false);
      if (isEmpty(planned, filter) || !isOutput(images, planned)) return undefined;
      const { heap, conv } = context;
      const dx = heap.output(shape.slice());
      const scratch = scratchFor("conv2d_backward_input_scratch_bytes", planned, context);
      const rows = planned.batch * planned.inHeight;
      const [from, weight, to] = [heap.address(images), heap.address(filter), heap.address(dx)];
      conv.conv2d_backward_input_f32(planned.ptr, 0, rows, from, weight, 0, 0, to, scratch);
      return dx;
    });
  },
};

/** Gradient by the filter, which the wasm backend lacks. */
export const conv2DBackpropFilter: TfKernel = {
  name: "Conv2DBackpropFilter",
  run({ x, dy }, attrs, context) {
    if (!isFloat32(x) || !isFloat32(dy)) return undefined;
    const { filterShape, ...window } = attrs as WindowAttributes & { filterShape: number[] };
    if (window.dataFormat === "NCHW") {
      const { heap } = context;
      const [images, gradients] = [x, dy].map((tensor) =>
        heap.call("Transpose", { x: tensor }, { perm: [0, 2, 3, 1] }),
      );
      const dw = filterGradient(images!, gradients!, filterShape, window, context);
      for (const tensor of [images!, gradients!]) heap.dispose(tensor);
      return dw;
    }
    return filterGradient(x, dy, filterShape, window, context);
  },
};

function filterGradient(
  x: TensorInfo,
  dy: TensorInfo,
  filterShape: number[],
  attrs: WindowAttributes,
  context: KernelContext,
): TensorInfo | undefined {
  const window = context.windows.convolution(x.shape, filterShape, { ...attrs, dilations: 1 }, false);
  if (!isOutput(dy, window)) return undefined;
  const { heap, conv } = context;
  const dw = heap.output(filterShape.slice());
  const scratch = scratchFor("conv2d_backward_weight_scratch_bytes", window, context);
  const rows = sizeOf(filterShape, 0, 3);
  const [from, by, to] = [heap.address(x), heap.address(dy), heap.address(dw)];
  conv.conv2d_backward_weight_f32(window.ptr, 0, rows, from, by, to, scratch);
  return dw;
}

import type { TensorInfo } from "@tensorflow/tfjs-core";
import { type FusedAttributes, fused } from "./fused.js";
import { type KernelContext, scratchFor, type TfKernel } from "./kernel.js";
import { isFloat32, sizeOf } from "./shapes.js";
import { isEmpty, isOutput, type WindowAttributes } from "./window.js";

/** y = activation(x ∗ filter + bias), each channel by itself. */
function forward(
  x: TensorInfo,
  filter: TensorInfo,
  attrs: WindowAttributes,
  biasPtr: number,
  activation: number,
  context: KernelContext,
): TensorInfo | undefined {
  const window = context.windows.convolution(x.shape, filter.shape, attrs, true);
  const { heap, conv } = context;
  if (sizeOf(window.outShape) === 0) return heap.output([...window.outShape]);
  if (isEmpty(window, filter)) return undefined;
  const y = heap.output([...window.outShape]);
  const scratch = scratchFor("depthwise_conv2d_scratch_bytes", window, context);
  const rows = window.batch * window.outHeight;
  const [from, weight, to] = [heap.address(x), heap.address(filter), heap.address(y)];
  conv.depthwise_conv2d_f32(window.ptr, 0, rows, from, weight, biasPtr, activation, to, scratch);
  return y;
}

const isLast = (attrs: object): boolean => (attrs as WindowAttributes).dataFormat !== "NCHW";

/** Convolution of each channel by itself. */
export const depthwiseConv2dNative: TfKernel = {
  name: "DepthwiseConv2dNative",
  run({ x, filter }, attrs, context) {
    if (!isFloat32(x) || !isFloat32(filter) || !isLast(attrs)) return undefined;
    return forward(x, filter, attrs as WindowAttributes, 0, 0, context);
  },
};

/** The same with bias and activation. */
export const fusedDepthwiseConv2D: TfKernel = {
  name: "FusedDepthwiseConv2D",
  run(inputs, attrs, context) {
    const { x, filter } = inputs;
    if (!isFloat32(x) || !isFloat32(filter) || !isLast(attrs)) return undefined;
    const columns = filter.shape[2]! * filter.shape[3]!;
    return fused(inputs, attrs as FusedAttributes, columns, context, (biasPtr, activation) =>
      forward(x, filter, attrs as WindowAttributes, biasPtr, activation, context),
    );
  },
};

/** Gradient by the images, which the wasm backend lacks. */
export const depthwiseConv2dNativeBackpropInput: TfKernel = {
  name: "DepthwiseConv2dNativeBackpropInput",
  run({ dy, filter }, attrs, context) {
    if (!isFloat32(dy) || !isFloat32(filter)) return undefined;
    const { inputShape, ...rest } = attrs as WindowAttributes & { inputShape: number[] };
    const window = context.windows.convolution(inputShape, filter.shape, rest, true);
    if (isEmpty(window, filter) || !isOutput(dy, window)) return undefined;
    const { heap, conv } = context;
    const dx = heap.output(inputShape.slice());
    const scratch = scratchFor("depthwise_conv2d_backward_input_scratch_bytes", window, context);
    const rows = window.batch * window.inHeight;
    const [from, weight, to] = [heap.address(dy), heap.address(filter), heap.address(dx)];
    conv.depthwise_conv2d_backward_input_f32(window.ptr, 0, rows, from, weight, to, scratch);
    return dx;
  },
};

/** Gradient by the filter, which the wasm backend lacks. */
export const depthwiseConv2dNativeBackpropFilter: TfKernel = {
  name: "DepthwiseConv2dNativeBackpropFilter",
  run({ x, dy }, attrs, context) {
    if (!isFloat32(x) || !isFloat32(dy)) return undefined;
    const { filterShape, ...rest } = attrs as WindowAttributes & { filterShape: number[] };
    const window = context.windows.convolution(x.shape, filterShape, rest, true);
    if (!isOutput(dy, window)) return undefined;
    const { heap, conv } = context;
    const dw = heap.output(filterShape.slice());
    const scratch = scratchFor("depthwise_conv2d_scratch_bytes", window, context);
    const [from, by, to] = [heap.address(x), heap.address(dy), heap.address(dw)];
    conv.depthwise_conv2d_backward_weight_f32(window.ptr, 0, window.outChannels, from, by, to, scratch);
    return dw;
  },
};

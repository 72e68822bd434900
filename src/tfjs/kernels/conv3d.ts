import { backend_util, type TensorInfo } from "@tensorflow/tfjs-core";
import { type KernelContext, scratchFor, type TfKernel } from "./kernel.js";
import { isFloat32, sizeOf } from "./shapes.js";
import type { PlannedWindow } from "./window.js";

type Shape5D = [number, number, number, number, number];

interface Attributes {
  readonly strides: number | [number, number, number];
  readonly pad: "same" | "valid";
}

/** A convolution of volumes as convolutions of their planes. */
interface Planes {
  readonly info: backend_util.Conv3DInfo;
  /** Of one plane of x, with one plane of the filter. */
  readonly window: PlannedWindow;
  /** Bytes of a plane of x, of y and of the filter. */
  readonly xBytes: number;
  readonly yBytes: number;
  readonly filterBytes: number;
}

function planesOf(x: Shape5D, filter: Shape5D, { strides, pad }: Attributes, { windows }: KernelContext): Planes {
  const info = backend_util.computeConv3DInfo(x, filter, strides, 1, pad);
  const { top, bottom, left, right } = info.padInfo;
  const attrs = {
    strides: [info.strideHeight, info.strideWidth] as [number, number],
    pad: [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ] as backend_util.ExplicitPadding,
  };
  return {
    info,
    window: windows.convolution([1, ...x.slice(2)], filter.slice(1), attrs, false),
    xBytes: 4 * sizeOf(x, 2),
    yBytes: 4 * info.outHeight * info.outWidth * info.outChannels,
    filterBytes: 4 * sizeOf(filter, 1),
  };
}

/** What sums parts into a target: the first part is written there, the others are added. */
class Sum {
  readonly #count: number;
  readonly #context: KernelContext;
  readonly #part: TensorInfo;

  constructor(count: number, context: KernelContext) {
    this.#count = count;
    this.#context = context;
    this.#part = context.heap.output([count]);
  }

  /** Calls `write` for each part with the address that it goes to. */
  into(target: number, parts: readonly ((to: number) => void)[]): void {
    const { heap, nn } = this.#context;
    const part = heap.address(this.#part);
    parts.forEach((write, i) => {
      write(i === 0 ? target : part);
      if (i > 0) nn.add_f32(this.#count, target, part, target);
    });
    if (parts.length === 0) new Float32Array(heap.core.linearMemory.buffer, target, this.#count).fill(0);
  }

  dispose(): void {
    this.#context.heap.dispose(this.#part);
  }
}

/**
 * Gradient of a three-dimensional convolution by its input: for each plane of the input the sum of two-dimensional
 * gradients, in ascending depth of dy. TensorFlow.js's is wrong.
 */
export const conv3DBackpropInputV2: TfKernel = {
  name: "Conv3DBackpropInputV2",
  run({ dy, filter }, attrs, context) {
    if (!isFloat32(dy) || !isFloat32(filter)) return undefined;
    const { inputShape, ...rest } = attrs as Attributes & { inputShape: Shape5D };
    if (sizeOf(inputShape) * sizeOf(dy.shape) * sizeOf(filter.shape) === 0) return undefined;
    const { info, window, xBytes, yBytes, filterBytes } = planesOf(inputShape, filter.shape as Shape5D, rest, context);
    const { heap, conv } = context;
    const dx = heap.output(inputShape.slice());
    const sum = new Sum(xBytes / 4, context);
    const [from, weight, to] = [heap.address(dy), heap.address(filter), heap.address(dx)];
    const scratch = scratchFor("conv2d_backward_input_scratch_bytes", window, context);
    for (let i = 0; i < info.batchSize * info.inDepth; i++) {
      const image = Math.floor(i / info.inDepth);
      const parts: ((to: number) => void)[] = [];
      for (let out = 0; out < info.outDepth; out++) {
        const tap = (i % info.inDepth) + info.padInfo.front - out * info.strideDepth;
        if (tap < 0 || tap >= info.filterDepth) continue;
        const source = from + yBytes * (image * info.outDepth + out);
        parts.push((at) => {
          const rows = info.inHeight;
          conv.conv2d_backward_input_f32(window.ptr, 0, rows, source, weight + filterBytes * tap, 0, 0, at, scratch);
        });
      }
      sum.into(to + xBytes * i, parts);
    }
    sum.dispose();
    return dx;
  },
};

/** Gradient by the filter, for each of its planes a sum of two-dimensional ones. TensorFlow.js's is wrong with strides. */
export const conv3DBackpropFilterV2: TfKernel = {
  name: "Conv3DBackpropFilterV2",
  run({ x, dy }, attrs, context) {
    if (!isFloat32(x) || !isFloat32(dy)) return undefined;
    const { filterShape, ...rest } = attrs as Attributes & { filterShape: Shape5D };
    if (sizeOf(x.shape) * sizeOf(dy.shape) * sizeOf(filterShape) === 0) return undefined;
    const { info, window, xBytes, yBytes, filterBytes } = planesOf(x.shape as Shape5D, filterShape, rest, context);
    const { heap, conv } = context;
    const dw = heap.output(filterShape.slice());
    const sum = new Sum(filterBytes / 4, context);
    const [images, by, to] = [heap.address(x), heap.address(dy), heap.address(dw)];
    const scratch = scratchFor("conv2d_backward_weight_scratch_bytes", window, context);
    const rows = sizeOf(filterShape, 1, 4);
    for (let tap = 0; tap < info.filterDepth; tap++) {
      const parts: ((to: number) => void)[] = [];
      for (let i = 0; i < info.batchSize * info.outDepth; i++) {
        const depth = (i % info.outDepth) * info.strideDepth + tap - info.padInfo.front;
        if (depth < 0 || depth >= info.inDepth) continue;
        const source = images + xBytes * (Math.floor(i / info.outDepth) * info.inDepth + depth);
        parts.push((at) => conv.conv2d_backward_weight_f32(window.ptr, 0, rows, source, by + yBytes * i, at, scratch));
      }
      sum.into(to + filterBytes * tap, parts);
    }
    sum.dispose();
    return dw;
  },
};

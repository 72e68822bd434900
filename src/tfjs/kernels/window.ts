import { backend_util, type TensorInfo } from "@tensorflow/tfjs-core";
import type { LinearMemory } from "../../backend/backend.js";
import { WINDOW_BYTES, type Window, writeWindow } from "../../backend/window.js";
import type { Core } from "../../core.js";
import { sizeOf } from "./shapes.js";

/** What TensorFlow.js says of a convolution or a pooling. */
export interface WindowAttributes {
  readonly strides: number | [number, number];
  readonly pad: "valid" | "same" | number | backend_util.ExplicitPadding;
  readonly dilations?: number | [number, number] | null;
  readonly dataFormat?: "NHWC" | "NCHW";
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
}

/** A window in the heap. */
export interface PlannedWindow extends Window {
  /** Its address. */
  readonly ptr: number;
  readonly outShape: readonly [number, number, number, number];
  /** Bytes of scratch by kernel, once they have been asked for. */
  readonly scratchBytes: Map<string, number>;
}

/** So many are kept; a program that has more starts again. */
const MOST = 256;

/** The windows of one heap: each is written once, and found again by the shapes and attributes of a call. */
export class Windows {
  readonly #core: Core;
  readonly #planned = new Map<string, PlannedWindow>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** The window of a convolution of x [batch, height, width, channels] with a filter; `dataFormat` is that of `pad`. */
  convolution(
    x: readonly number[],
    filter: readonly number[],
    { strides, pad: given, dilations, dataFormat, dimRoundingMode }: WindowAttributes,
    isDepthwise: boolean,
  ): PlannedWindow {
    const isFirst = dataFormat === "NCHW" && Array.isArray(given);
    const pad = isFirst ? ([given[0], given[2], given[3], given[1]] as backend_util.ExplicitPadding) : given;
    const key = `${isDepthwise ? "depthwise" : "conv"},${x},${filter},${strides},${pad},${dilations},${dimRoundingMode}`;
    const known = this.#planned.get(key);
    if (known !== undefined) return known;
    const info = backend_util.computeConv2DInfo(
      x as [number, number, number, number],
      filter as [number, number, number, number],
      strides,
      dilations ?? 1,
      pad,
      dimRoundingMode,
      isDepthwise,
    );
    return this.#add(key, info, isDepthwise ? info.inChannels : info.inChannels / filter[2]!);
  }

  /** The window of a pooling of x [batch, height, width, channels]. */
  pooling(
    x: readonly number[],
    { filterSize, strides, pad, dimRoundingMode }: WindowAttributes & { filterSize: number | [number, number] },
  ): PlannedWindow {
    const key = `pool,${x},${filterSize},${strides},${pad},${dimRoundingMode}`;
    const known = this.#planned.get(key);
    if (known !== undefined) return known;
    const shape = x as [number, number, number, number];
    return this.#add(key, backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode), 1);
  }

  #add(key: string, info: backend_util.Conv2DInfo, groups: number): PlannedWindow {
    if (this.#planned.size === MOST) {
      for (const { ptr } of this.#planned.values()) this.#core.release(ptr);
      this.#planned.clear();
    }
    const window: Window = {
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
      groups,
    };
    const ptr = this.#core.allocate(WINDOW_BYTES);
    writeWindow(wordsOf(this.#core.linearMemory), ptr, window);
    const planned = { ...window, ptr, outShape: info.outShape, scratchBytes: new Map<string, number>() };
    this.#planned.set(key, planned);
    return planned;
  }
}

const wordsOf = ({ buffer }: LinearMemory): Int32Array => new Int32Array(buffer);

/** Whether a tensor has the shape of the window's result; TensorFlow.js lets conv2dTranspose have others. */
export function isOutput({ shape }: TensorInfo, { outShape }: PlannedWindow): boolean {
  return outShape.every((size, axis) => size === shape[axis]);
}

/** Whether an operand or the result has no elements. */
export function isEmpty({ outShape, batch, inHeight, inWidth }: PlannedWindow, filter: TensorInfo): boolean {
  return sizeOf(outShape) * batch * inHeight * inWidth * sizeOf(filter.shape) === 0;
}

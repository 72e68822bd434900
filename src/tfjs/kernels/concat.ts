import { backend_util, type TensorInfo } from "@tensorflow/tfjs-core";
import type { KernelContext, TfKernel } from "./kernel.js";
import { sizeOf } from "./shapes.js";

// Joining and splitting along an axis, each operand by one call that copies its rows. LSTM and GRU do it every time step.

const isFourBytes = ({ dtype }: TensorInfo): boolean => dtype === "float32" || dtype === "int32";

/** The operands one after the other along an axis. */
export const concat: TfKernel = {
  name: "Concat",
  run(inputs, attrs, { heap, reduce }) {
    const operands = Object.values(inputs) as TensorInfo[];
    const [first] = operands as [TensorInfo];
    const rank = first.shape.length;
    const axis = normalized((attrs as { axis: number }).axis, rank);
    let length = 0;
    for (const { shape, dtype } of operands) {
      // What does not fit is TensorFlow.js's to refuse; what is empty is its to leave out.
      if (dtype !== first.dtype || shape.length !== rank || sizeOf(shape) === 0) return undefined;
      for (let i = 0; i < rank; i++) if (i !== axis && shape[i] !== first.shape[i]) return undefined;
      length += shape[axis]!;
    }
    if (!isFourBytes(first)) return undefined;
    const shape = first.shape.slice();
    shape[axis] = length;
    const y = heap.output(shape, first.dtype);
    const outer = sizeOf(shape, 0, axis);
    const whole = sizeOf(shape, axis);
    let to = heap.address(y);
    for (const x of operands) {
      const columns = sizeOf(x.shape, axis);
      reduce.copy_rows_f32(outer, columns, heap.address(x), columns, to, whole);
      to += 4 * columns;
    }
    return y;
  },
};

/** Parts of x along an axis. */
export const splitV: TfKernel = {
  name: "SplitV",
  run({ x }, attrs, context) {
    if (x == null || !isFourBytes(x)) return undefined;
    const { numOrSizeSplits, axis: given } = attrs as { numOrSizeSplits: number | number[]; axis: number };
    const axis = normalized(given, x.shape.length);
    const sizes = backend_util.prepareSplitSize(x as never, numOrSizeSplits, axis);
    return parts(x, axis, sizes, context);
  },
};

/** The slices of x along an axis, without that axis. */
export const unpack: TfKernel = {
  name: "Unpack",
  run({ value }, attrs, context) {
    if (value == null || !isFourBytes(value)) return undefined;
    const axis = normalized((attrs as { axis: number }).axis, value.shape.length);
    const shape = value.shape.filter((_, i) => i !== axis);
    const sizes = new Array<number>(value.shape[axis]!).fill(1);
    const slices = parts(value, axis, sizes, context);
    for (const slice of slices) slice.shape = shape;
    return slices;
  },
};

function parts(x: TensorInfo, axis: number, sizes: readonly number[], { heap, reduce }: KernelContext): TensorInfo[] {
  const outer = sizeOf(x.shape, 0, axis);
  const inner = sizeOf(x.shape, axis + 1);
  const whole = sizeOf(x.shape, axis);
  let from = heap.address(x);
  return sizes.map((size) => {
    const shape = x.shape.slice();
    shape[axis] = size;
    const y = heap.output(shape, x.dtype);
    reduce.copy_rows_f32(outer, size * inner, from, whole, heap.address(y), size * inner);
    from += 4 * size * inner;
    return y;
  });
}

const normalized = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

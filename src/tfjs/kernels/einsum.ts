import { backend_util, einsum as einsumOp, reshape, type Tensor, type TensorInfo, tile } from "@tensorflow/tfjs-core";
import type { KernelContext, TfKernel } from "./kernel.js";
import { product } from "./product.js";
import { isFloat32, sizeOf } from "./shapes.js";

/**
 * Sums of products by an equation, of one operand or two: what is summed in one of them alone is summed first, and the
 * rest is one batched product. The wasm backend has no such kernel, and no backend has its gradient.
 */
export const einsum: TfKernel = {
  name: "Einsum",
  run(inputs, attrs, context) {
    const { equation } = attrs as { equation: string };
    const operands = Object.values(inputs) as TensorInfo[];
    const { allDims, idDims } = backend_util.decodeEinsumEquation(equation, operands.length);
    backend_util.checkEinsumDimSizes(allDims.length, idDims, operands as Tensor[]);
    if (!operands.every(isFloat32) || operands.some(({ shape }) => sizeOf(shape) === 0)) return undefined;
    const out = [...equation.replace(/\s/g, "").split("->")[1]!];
    const [a, b] = operands.map((tensor, i): Labeled => {
      const labels = idDims[i]!.map((dim) => allDims[dim]!);
      return { tensor, labels, isOwned: false };
    });
    if (b === undefined) return arrange(sumAlone(a!, out, context), out, context).tensor;
    return contract(
      sumAlone(a!, [...out, ...b.labels], context),
      sumAlone(b, [...out, ...a!.labels], context),
      out,
      context,
    );
  },
  gradient: {
    of: "Einsum",
    saveAllInputs: true,
    gradFunc(dy, saved, attrs) {
      const { equation } = attrs as unknown as { equation: string };
      const [left, out] = equation.replace(/\s/g, "").split("->") as [string, string];
      const terms = left.split(",");
      const gradients = saved.map((operand, i) => () => {
        const others = terms.filter((_, j) => j !== i);
        const known = `${out}${others.join("")}`;
        // A label that the operand alone has was summed: every one of its elements has the same gradient.
        const kept = [...terms[i]!].filter((label) => known.includes(label));
        const rest = saved.filter((_, j) => j !== i);
        const sums = einsumOp(`${[out, ...others].join(",")}->${kept.join("")}`, dy as Tensor, ...rest);
        if (kept.length === terms[i]!.length) return sums;
        const isKept = [...terms[i]!].map((label) => kept.includes(label));
        const ones = operand.shape.map((size, axis) => (isKept[axis] ? size : 1));
        const repeats = operand.shape.map((size, axis) => (isKept[axis] ? 1 : size));
        return tile(reshape(sums, ones), repeats);
      });
      return Object.fromEntries(gradients.map((gradient, i) => [String(i), gradient]));
    },
  },
};

/** A tensor with a label for each axis. */
interface Labeled {
  readonly tensor: TensorInfo;
  readonly labels: readonly string[];
  /** It is an intermediate result, to be freed. */
  readonly isOwned: boolean;
}

/** The operand without the labels that occur nowhere else. */
function sumAlone(operand: Labeled, elsewhere: readonly string[], { heap }: KernelContext): Labeled {
  const { tensor, labels } = operand;
  const axes = labels.flatMap((label, axis) => (elsewhere.includes(label) ? [] : [axis]));
  if (axes.length === 0) return operand;
  const sums = heap.call("Sum", { x: tensor }, { axis: axes, keepDims: false });
  return { tensor: sums, labels: labels.filter((label) => elsewhere.includes(label)), isOwned: true };
}

/** The operand with its axes in this order. */
function arrange(operand: Labeled, order: readonly string[], { heap }: KernelContext): Labeled {
  const { tensor, labels, isOwned } = operand;
  const perm = order.map((label) => labels.indexOf(label));
  if (isOwned && perm.every((axis, i) => axis === i)) return operand;
  const arranged = heap.call("Transpose", { x: tensor }, { perm });
  if (isOwned) heap.dispose(tensor);
  return { tensor: arranged, labels: order, isOwned: true };
}

/** The sum over the labels that both operands have and the result lacks. */
function contract(a: Labeled, b: Labeled, out: readonly string[], context: KernelContext): TensorInfo {
  const batch = out.filter((label) => a.labels.includes(label) && b.labels.includes(label));
  const rows = out.filter((label) => a.labels.includes(label) && !b.labels.includes(label));
  const columns = out.filter((label) => !a.labels.includes(label));
  const depth = a.labels.filter((label) => !out.includes(label));
  const { heap } = context;
  const left = asMatrices(a, batch, rows, depth, context);
  const right = asMatrices(b, batch, depth, columns, context);
  const y = product(left.matrices, right.matrices, left.isTransposed, right.isTransposed, 0, 0, context)!;
  heap.dispose(left.matrices);
  heap.dispose(right.matrices);
  const labels = [...batch, ...rows, ...columns];
  const sizes = new Map(
    [a, b].flatMap(({ tensor, labels }) => labels.map((label, axis) => [label, tensor.shape[axis]!])),
  );
  y.shape = labels.map((label) => sizes.get(label)!);
  for (const { tensor, isOwned } of [a, b]) if (isOwned) heap.dispose(tensor);
  return arrange({ tensor: y, labels, isOwned: true }, out, context).tensor;
}

/** The operand as [batch, rows, columns], or with rows and columns exchanged if that is its order. */
function asMatrices(
  operand: Labeled,
  batch: readonly string[],
  rows: readonly string[],
  columns: readonly string[],
  context: KernelContext,
): { matrices: TensorInfo; isTransposed: boolean } {
  const transposed = [...batch, ...columns, ...rows];
  const isTransposed = operand.labels.every((label, axis) => label === transposed[axis]);
  const order = isTransposed ? transposed : [...batch, ...rows, ...columns];
  const { tensor } = arrange({ ...operand, isOwned: false }, order, context);
  const size = (labels: readonly string[]) =>
    labels.reduce((product, label) => product * tensor.shape[order.indexOf(label)]!, 1);
  const [height, width] = isTransposed ? [columns, rows] : [rows, columns];
  tensor.shape = [size(batch), size(height), size(width)];
  return { matrices: tensor, isTransposed };
}

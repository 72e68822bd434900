import * as tf from "@tensorflow/tfjs";

// Operations on operands of random shapes, for any backend: so it knows nothing of the test runner.

/** An integer from low to high. */
export type Draw = (low: number, high: number) => number;

/** Shapes and attributes that were drawn. */
export interface Plan {
  readonly shapes: readonly number[][];
  run(...x: tf.Tensor[]): tf.Tensor;
  /** The same by other operations, where the cpu backend is wrong. */
  reference?(...x: tf.Tensor[]): tf.Tensor;
  /** TensorFlow.js has no gradient for this, or the cpu backend has none. */
  readonly hasNoGradient?: boolean;
}

export interface Operation {
  readonly name: string;
  plan(draw: Draw): Plan;
}

export const OPERATIONS: readonly Operation[] = [
  {
    name: "matMul",
    plan(draw) {
      const [m, k, n] = [draw(1, 40), draw(1, 70), draw(1, 40)];
      const [transposeA, transposeB] = [draw(0, 1) === 1, draw(0, 1) === 1];
      const batch = Array.from({ length: draw(0, 3) }, () => draw(1, 3));
      const one = (size: number) => (draw(0, 2) === 0 ? 1 : size);
      const [outerA, outerB] = [batch.map(one), batch.slice(draw(0, batch.length)).map(one)];
      const [matrixA, matrixB] = [transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]];
      const outer = tf.broadcast_util.assertAndGetBroadcastShape(outerA, outerB);
      return {
        shapes: [
          [...outerA, ...matrixA],
          [...outerB, ...matrixB],
        ],
        run: (a, b) => tf.matMul(a!, b!, transposeA, transposeB),
        reference: (a, b) => {
          const [wholeA, wholeB] = [
            tf.broadcastTo(a!, [...outer, ...matrixA]),
            tf.broadcastTo(b!, [...outer, ...matrixB]),
          ];
          return tf.matMul(wholeA, wholeB, transposeA, transposeB);
        },
        hasNoGradient: String(outerA) !== String(outerB), // of operands that are broadcast
      };
    },
  },
  {
    name: "fused matMul",
    plan(draw) {
      const [batch, m, k, n] = [draw(1, 3), draw(1, 20), draw(1, 120), draw(1, 20)];
      const [transposeA, transposeB] = [draw(0, 1) === 1, draw(0, 1) === 1];
      const activation = (["linear", "relu", "relu6", "elu", "sigmoid", "leakyrelu"] as const)[draw(0, 5)]!;
      const bias = [[n], [1], [m, n]][draw(0, 2)]!;
      return {
        shapes: [[batch, ...(transposeA ? [k, m] : [m, k])], [batch, ...(transposeB ? [n, k] : [k, n])], bias],
        run: (a, b, c) =>
          tf.fused.matMul({
            a: a as tf.Tensor3D,
            b: b as tf.Tensor3D,
            bias: c!,
            transposeA,
            transposeB,
            activation,
            leakyreluAlpha: 0.2,
          }),
        hasNoGradient: true, // of a batched product with a bias
      };
    },
  },
  {
    name: "sum and mean",
    plan(draw) {
      const shape = Array.from({ length: draw(1, 5) }, () => draw(1, 6));
      const axes = shape.map((_, axis) => axis).filter(() => draw(0, 1) === 1);
      const [keepDims, isMean] = [draw(0, 1) === 1, draw(0, 1) === 1];
      const negative = axes.map((axis) => (draw(0, 1) === 1 ? axis - shape.length : axis));
      const all = draw(0, 4) === 0 ? undefined : negative;
      return { shapes: [shape], run: (x) => (isMean ? tf.mean : tf.sum)(x!, all, keepDims) };
    },
  },
  {
    name: "transpose",
    plan(draw) {
      const shape = Array.from({ length: draw(1, 5) }, () => draw(1, 5));
      const perm = shape.map((_, axis) => axis);
      for (let i = perm.length - 1; i > 0; i--) {
        const j = draw(0, i);
        [perm[i], perm[j]] = [perm[j]!, perm[i]!];
      }
      return { shapes: [shape], run: (x) => tf.transpose(x!, perm) };
    },
  },
  {
    name: "concat, split, stack and unstack",
    plan(draw) {
      // From 2: the gradient of unstacking a single slice fails on every backend.
      const shape = Array.from({ length: draw(1, 4) }, () => draw(2, 5));
      const axis = draw(0, shape.length - 1);
      const other = shape.with(axis, draw(1, 5));
      const signed = draw(0, 1) === 0 ? axis : axis - shape.length;
      const steps = [shape[axis]!, other[axis]!];
      const run = [
        (a: tf.Tensor, b: tf.Tensor) => tf.concat([a, b, a], signed),
        (a: tf.Tensor, b: tf.Tensor) => tf.split(tf.concat([a, b], axis), steps, signed)[1]!,
        (a: tf.Tensor, b: tf.Tensor) => tf.add(tf.stack(tf.unstack(a, axis), axis), tf.sum(b)),
        (a: tf.Tensor, b: tf.Tensor) => tf.stack([a, tf.mul(a, 2)], axis).add(tf.mean(b)),
      ][draw(0, 3)]!;
      return { shapes: [shape, other], run: (a, b) => run(a!, b!) };
    },
  },
  {
    name: "tile",
    plan(draw) {
      const shape = Array.from({ length: draw(1, 4) }, () => draw(1, 4));
      const reps = shape.map(() => draw(1, 3));
      return { shapes: [shape], run: (x) => tf.tile(x!, reps) };
    },
  },
  {
    name: "gather",
    plan(draw) {
      const shape = Array.from({ length: draw(1, 4) }, () => draw(1, 6));
      const axis = draw(0, shape.length - 1);
      const indices = Array.from({ length: draw(1, 9) }, () => draw(0, shape[axis]! - 1));
      const rank2 = indices.length % 3 === 0;
      return {
        shapes: [shape],
        run: (x) => {
          const flat = tf.tensor1d(indices, "int32");
          return tf.gather(x!, rank2 ? flat.reshape([3, indices.length / 3]) : flat, axis);
        },
      };
    },
  },
  {
    name: "segment sums",
    plan(draw) {
      const [count, segments] = [draw(1, 9), draw(1, 5)];
      const shape = [count, ...Array.from({ length: draw(0, 2) }, () => draw(1, 20))];
      const ids = Array.from({ length: count }, () => draw(0, segments - 1));
      return { shapes: [shape], run: (x) => tf.unsortedSegmentSum(x!, tf.tensor1d(ids, "int32"), segments) };
    },
  },
  {
    name: "activations",
    plan(draw) {
      const shape = Array.from({ length: draw(1, 4) }, () => draw(1, 9));
      const run = [tf.relu, tf.tanh, tf.sigmoid, tf.softmax][draw(0, 3)]!;
      return { shapes: [shape], run: (x) => run(x!) };
    },
  },
  {
    name: "clipByValue",
    plan(draw) {
      const shape = Array.from({ length: draw(0, 3) }, () => draw(1, 9));
      const low = -draw(0, 2);
      // Integers, so that some are bounds.
      return { shapes: [shape], run: (x) => tf.clipByValue(tf.add(x!, tf.round(tf.mul(x!, 3))).sub(x!), low, 2) };
    },
  },
  {
    name: "gradients of gradients",
    plan(draw) {
      const shape = [draw(1, 5), draw(1, 5)];
      const f = [tf.relu, tf.tanh, tf.sigmoid, tf.softmax, (x: tf.Tensor) => tf.tile(x, [2, 1])][draw(0, 4)]!;
      const gradient = tf.grad((x: tf.Tensor) => tf.square(f(x)));
      return { shapes: [shape], run: (x) => gradient(x!) };
    },
  },
  {
    name: "prelu",
    plan(draw) {
      const shape = Array.from({ length: draw(1, 4) }, () => draw(1, 5));
      const alpha = shape.map((size) => (draw(0, 1) === 1 ? size : 1)).slice(draw(0, shape.length));
      return { shapes: [shape, alpha], run: (x, a) => tf.prelu(x!, a!) };
    },
  },
  {
    name: "batchNorm",
    plan(draw) {
      const shape = Array.from({ length: draw(2, 4) }, () => draw(1, 6));
      const vector = [shape.at(-1)!];
      const isFull = shape.length === 4 && draw(0, 1) === 1;
      const like = isFull ? shape : vector;
      return {
        shapes: [shape, like, like, like, like],
        run: (x, mean, variance, offset, scale) =>
          tf.batchNorm(
            x as tf.Tensor2D,
            mean as tf.Tensor1D,
            tf.abs(variance as tf.Tensor1D).add(0.3) as tf.Tensor1D,
            offset as tf.Tensor1D,
            scale as tf.Tensor1D,
            0.01,
          ),
      };
    },
  },
  {
    name: "einsum",
    plan(draw) {
      const equation = [
        "ij,jk->ik",
        "ij,kj->ki",
        "bij,bjk->bik",
        "bij,bkj->bik",
        "bhid,bhjd->bhij",
        "bhij,bhjd->bhid",
        "i,j->ij",
        "ij,ij->",
        "ij->ji",
        "ijk->j",
        "ijk,jl->li",
        "bij,b->ij",
        "ij,k->ik",
        "i,i->i",
        "ijk,kl->",
        "ab,bc->b",
      ][draw(0, 15)]!;
      const sizes = new Map([...equation].map((label) => [label, draw(1, 6)]));
      const terms = equation.split("->")[0]!.split(",");
      return {
        shapes: terms.map((term) => [...term].map((label) => sizes.get(label)!)),
        run: (...x) => tf.einsum(equation, ...x),
        reference: (...x) => einsum(equation, x),
      };
    },
  },
  {
    name: "conv2d",
    plan(draw) {
      const [kernel, channels, filters] = [[draw(1, 4), draw(1, 4)], draw(1, 9), draw(1, 18)] as const;
      const image = [draw(1, 3), kernel[0]! + draw(0, 8), kernel[1]! + draw(0, 8), channels];
      const strides: [number, number] = [draw(1, 3), draw(1, 3)];
      const pad = (
        [
          "valid",
          "same",
          [
            [0, 0],
            [1, 2],
            [2, 0],
            [0, 0],
          ],
        ] as const
      )[draw(0, 2)]!;
      return {
        shapes: [image, [...kernel, channels, filters]],
        run: (x, w) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, strides, pad as "same"),
      };
    },
  },
  {
    name: "conv2d, dilated, fused",
    plan(draw) {
      const [kernel, channels, filters] = [draw(1, 3), draw(1, 5), draw(1, 9)];
      const image = [draw(1, 2), draw(7, 12), draw(7, 12), channels];
      const activation = (["linear", "relu", "relu6", "elu", "sigmoid"] as const)[draw(0, 4)]!;
      const dilations = draw(1, 3);
      return {
        shapes: [image, [kernel, kernel, channels, filters], [filters]],
        run: (x, filter, bias) =>
          tf.fused.conv2d({
            x: x as tf.Tensor4D,
            filter: filter as tf.Tensor4D,
            bias: bias!,
            strides: 1,
            pad: "same",
            dilations,
            activation,
          }),
        hasNoGradient: true, // of dilated windows
      };
    },
  },
  {
    name: "conv3d",
    plan(draw) {
      const [kernel, channels, filters] = [[draw(1, 3), draw(1, 3), draw(1, 3)], draw(1, 4), draw(1, 5)] as const;
      const volume = [draw(1, 2), ...kernel.map((size) => size + draw(0, 4)), channels];
      const stride = draw(1, 2);
      const pad = (["valid", "same"] as const)[draw(0, 1)]!;
      return {
        shapes: [volume, [...kernel, channels, filters]],
        run: (x, w) => tf.conv3d(x as tf.Tensor5D, w as tf.Tensor5D, stride, pad),
      };
    },
  },
  {
    name: "maxPool and avgPool",
    plan(draw) {
      const window: [number, number] = [draw(1, 4), draw(1, 4)];
      const strides: [number, number] = [draw(1, 3), draw(1, 3)];
      const image = [draw(1, 3), window[0] + draw(0, 8), window[1] + draw(0, 8), draw(1, 20)];
      const pad = (["valid", "same"] as const)[draw(0, 1)]!;
      const pool = draw(0, 1) === 0 ? tf.maxPool : tf.avgPool;
      return { shapes: [image], run: (x) => pool(x as tf.Tensor4D, window, strides, pad) };
    },
  },
  {
    name: "depthwiseConv2d",
    plan(draw) {
      const [kernel, channels, multiplier] = [[draw(1, 4), draw(1, 4)], draw(1, 18), draw(1, 3)] as const;
      const stride = draw(1, 3);
      const image = [draw(1, 3), kernel[0]! + draw(0, 8), kernel[1]! + draw(0, 8), channels];
      const pad = (["valid", "same"] as const)[draw(0, 1)]!;
      return {
        shapes: [image, [...kernel, channels, multiplier]],
        run: (x, w) => tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, pad),
      };
    },
  },
  {
    name: "fused depthwiseConv2d",
    plan(draw) {
      const [kernel, channels, multiplier] = [draw(1, 4), draw(1, 9), draw(1, 2)];
      const image = [draw(1, 3), kernel + draw(4, 9), kernel + draw(4, 9), channels];
      const activation = (["linear", "relu", "relu6", "elu", "sigmoid"] as const)[draw(0, 4)]!;
      const dilations = draw(1, 2);
      return {
        shapes: [image, [kernel, kernel, channels, multiplier], [channels * multiplier]],
        run: (x, filter, bias) =>
          tf.fused.depthwiseConv2d({
            x: x as tf.Tensor4D,
            filter: filter as tf.Tensor4D,
            bias: bias!,
            strides: 1,
            pad: "same",
            dilations,
            activation,
          }),
        hasNoGradient: dilations > 1, // of dilated windows
      };
    },
  },
  {
    name: "conv2dTranspose",
    plan(draw) {
      const [kernel, channels, filters, stride] = [draw(1, 4), draw(1, 5), draw(1, 9), draw(1, 3)];
      const [height, width] = [draw(1, 5), draw(1, 5)];
      const shape: [number, number, number, number] = [2, height * stride, width * stride, channels];
      return {
        shapes: [
          [2, height, width, filters],
          [kernel, kernel, channels, filters],
        ],
        run: (x, w) => tf.conv2dTranspose(x as tf.Tensor4D, w as tf.Tensor4D, shape, stride, "same"),
      };
    },
  },
];

/** By products of elements: every operand has all labels, and those that the result lacks are summed. */
function einsum(equation: string, operands: readonly tf.Tensor[]): tf.Tensor {
  const [left, out] = equation.split("->") as [string, string];
  const terms = left.split(",");
  const labels = [...new Set([...out, ...left.replaceAll(",", "")])];
  const whole = operands.map((operand, i) => {
    const own = labels.filter((label) => terms[i]!.includes(label));
    const shape = labels.map((label) => (own.includes(label) ? operand.shape[terms[i]!.indexOf(label)]! : 1));
    return tf.reshape(
      tf.transpose(
        operand,
        own.map((label) => terms[i]!.indexOf(label)),
      ),
      shape,
    );
  });
  const product = whole.reduce((x, y) => tf.mul(x, y));
  const summed = labels.map((_, axis) => axis).slice(out.length);
  return summed.length === 0 ? product.clone() : tf.sum(product, summed);
}

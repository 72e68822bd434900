import { engine, type Tensor } from "@tensorflow/tfjs-core";
import { ACTIVATION, type Activation } from "../../backend/backend.js";
import type { KernelContext, TfGradient, TfKernel } from "./kernel.js";
import { isFloat32, sizeOf } from "./shapes.js";

// Gradients of activations in one kernel each, where TensorFlow.js composes them of three to six.

/** A gradient by the kernel `name`, from dy and from what TensorFlow.js's own gradient of the operation saves. */
function gradientBy(name: string, of: string, input = "x"): TfGradient {
  return {
    of,
    gradFunc: (dy, [saved], attrs) => ({
      [input]: () => engine().runKernel(name, { dy: dy as Tensor, y: saved! }, attrs) as Tensor,
    }),
  };
}

/** dx from dy and from y = activation(x); relu's also from x. */
function backward(activation: Activation, of: string): TfKernel {
  const name = `${of}Grad`;
  return {
    name,
    run({ dy, y }, _, { heap, nn }) {
      if (!isFloat32(dy) || !isFloat32(y)) return undefined;
      const dx = heap.output(y.shape);
      const [from, by, to] = [heap.address(y), heap.address(dy), heap.address(dx)];
      nn.activation_backward_f32(ACTIVATION[activation], 1, sizeOf(y.shape), from, by, to, 0);
      return dx;
    },
    gradient: gradientBy(name, of),
  };
}

export const reluGrad: TfKernel = backward("relu", "Relu");
export const tanhGrad: TfKernel = backward("tanh", "Tanh");
export const sigmoidGrad: TfKernel = backward("sigmoid", "Sigmoid");

/** dx = y·(dy − Σ dy·y) along the last axis. */
export const softmaxGrad: TfKernel = {
  name: "SoftmaxGrad",
  run({ dy, y }, _, { heap, nn }) {
    if (!isFloat32(dy) || !isFloat32(y)) return undefined;
    const columns = y.shape.at(-1) ?? 1;
    const dx = heap.output(y.shape);
    const rows = sizeOf(y.shape, 0, y.shape.length - 1);
    nn.softmax_backward_f32(rows, columns, heap.address(y), heap.address(dy), heap.address(dx));
    return dx;
  },
  gradient: gradientBy("SoftmaxGrad", "Softmax", "logits"),
};

/** dy where x is not clipped, else 0: no arithmetic, so a loop over the heap will do. */
export const clipByValueGrad: TfKernel = {
  name: "ClipByValueGrad",
  run({ dy, y: x }, attrs, { heap }) {
    if (!isFloat32(dy) || !isFloat32(x)) return undefined;
    const { clipValueMin, clipValueMax } = attrs as { clipValueMin: number; clipValueMax: number };
    const dx = heap.output(x.shape);
    const [values, gradients, to] = [view(x), view(dy), view(dx)];
    for (let i = 0; i < to.length; i++) {
      const value = values[i]!;
      to[i] = value >= clipValueMin && value <= clipValueMax ? gradients[i]! : 0;
    }
    return dx;

    function view(tensor: NonNullable<typeof x>): Float32Array {
      return new Float32Array(heap.core.linearMemory.buffer, heap.address(tensor), sizeOf(tensor.shape));
    }
  },
  gradient: gradientBy("ClipByValueGrad", "ClipByValue"),
};

/** Hyperbolic tangents; TensorFlow.js computes one after the other. */
export const tanh: TfKernel = {
  name: "Tanh",
  run({ x }, _, { heap, nn }: KernelContext) {
    if (!isFloat32(x)) return undefined;
    const y = heap.output(x.shape);
    nn.activation_f32(ACTIVATION.tanh, sizeOf(x.shape), heap.address(x), heap.address(y));
    return y;
  },
};

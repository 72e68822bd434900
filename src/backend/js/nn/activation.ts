import { ACTIVATION } from "../../backend.js";
import type { NetworkKernels } from "../../families/nn.js";
import { sigmoid, tanh } from "../math.js";
import type { Views } from "../views.js";

/** activation(x) of one float32. */
export function activate(activation: number, x: number): number {
  // Not Math.max, which would turn −0 into +0.
  if (activation === ACTIVATION.relu) return x < 0 ? 0 : x;
  if (activation === ACTIVATION.tanh) return tanh(x);
  if (activation === ACTIVATION.sigmoid) return sigmoid(x);
  return x;
}

/** dy · activation′ of one element, from y = activation(x). */
function backward(activation: number, y: number, dy: number): number {
  const f = Math.fround;
  if (activation === ACTIVATION.relu) return y > 0 ? dy : 0;
  if (activation === ACTIVATION.tanh) return f(dy * f(1 - f(y * y)));
  if (activation === ACTIVATION.sigmoid) return f(f(dy * y) * f(1 - y));
  return dy;
}

/** The JavaScript implementation of assembly/nn/activation.ts. */
export function activationKernels(views: Views): Pick<NetworkKernels, "activation_f32" | "activation_backward_f32"> {
  return {
    activation_f32(activation, count, xPtr, yPtr) {
      const { f32 } = views;
      const x = xPtr >>> 2;
      const y = yPtr >>> 2;
      for (let i = 0; i < count; i++) f32[y + i] = activate(activation, f32[x + i]!);
    },
    activation_backward_f32(activation, rows, columns, yPtr, dyPtr, dxPtr, sumsPtr) {
      const { f32 } = views;
      let y = yPtr >>> 2;
      let dy = dyPtr >>> 2;
      let dx = dxPtr >>> 2;
      const sums = sumsPtr >>> 2;
      if (sumsPtr !== 0) f32.fill(0, sums, sums + columns);
      for (let i = 0; i < rows; i++, y += columns, dy += columns, dx += columns) {
        for (let j = 0; j < columns; j++) {
          const dxj = backward(activation, f32[y + j]!, f32[dy + j]!);
          f32[dx + j] = dxj;
          if (sumsPtr !== 0) f32[sums + j] = f32[sums + j]! + dxj; // the store rounds
        }
      }
    },
  };
}

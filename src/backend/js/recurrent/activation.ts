import { GATE_ACTIVATION } from "../../sequences.js";
import { sigmoid, tanh } from "../math.js";

const f = Math.fround;

/** min(max(slope·x + 0.5, 0), 1) of float32s; NaN stays NaN. */
export function hardSigmoid(slope: number, x: number): number {
  const y = f(f(slope * x) + 0.5);
  return y < 0 ? 0 : y > 1 ? 1 : y;
}

/** dy times the derivative of hardSigmoid, from its output y. */
function hardSigmoidBackward(slope: number, y: number, dy: number): number {
  return y > 0 && y < 1 ? f(dy * slope) : 0;
}

/** activation(x) of one float32. */
export function activate(kind: number, slope: number, x: number): number {
  if (kind === GATE_ACTIVATION.relu) return x < 0 ? 0 : x;
  if (kind === GATE_ACTIVATION.tanh) return tanh(x);
  if (kind === GATE_ACTIVATION.sigmoid) return sigmoid(x);
  if (kind === GATE_ACTIVATION.hardSigmoid) return hardSigmoid(slope, x);
  return x;
}

/** dy times the derivative, from y = activation(x). */
export function activateBackward(kind: number, slope: number, y: number, dy: number): number {
  if (kind === GATE_ACTIVATION.relu) return y > 0 ? dy : 0;
  if (kind === GATE_ACTIVATION.tanh) return f(dy * f(1 - f(y * y)));
  if (kind === GATE_ACTIVATION.sigmoid) return f(f(dy * y) * f(1 - y));
  if (kind === GATE_ACTIVATION.hardSigmoid) return hardSigmoidBackward(slope, y, dy);
  return dy;
}

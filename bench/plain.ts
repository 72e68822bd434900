// The loops that somebody would write without Lanewise, to compare with.

import { STEP } from "../measure/task.js";
import type { Contestant } from "./contestant.js";

/** The textbook's RMSProp step over plain arrays. */
function plainRmsprop(p: Float32Array, g: Float32Array, v: Float32Array, lr: number, decay: number, eps: number): void {
  for (let i = 0; i < p.length; i++) {
    const grad = g[i]!;
    v[i] = decay * v[i]! + (1 - decay) * grad * grad;
    p[i] = p[i]! - (lr * grad) / Math.sqrt(v[i]! + eps);
  }
}

/** The same of stochastic gradient descent. */
function plainSgd(p: Float32Array, g: Float32Array, lr: number): void {
  for (let i = 0; i < p.length; i++) p[i] = p[i]! - lr * g[i]!;
}

/** C = A·B, three loops, the inner one along the rows of B and C. */
function plainMatmul(a: Float32Array, b: Float32Array, c: Float32Array, m: number, n: number, k: number): void {
  c.fill(0);
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) {
      const x = a[i * k + p]!;
      for (let j = 0; j < n; j++) c[i * n + j] = c[i * n + j]! + x * b[p * n + j]!;
    }
  }
}

/** These loops; what nobody writes in three lines (transposes, batches, momentum, networks) is left out. */
export const plainLoop: Contestant = {
  name: "plain loop",
  slow: true,
  product({ m, n, k, batch, transposeA, transposeB, fused }, { a, b }) {
    if (batch !== 1 || transposeA || transposeB || fused) return undefined;
    const c = new Float32Array(m * n);
    return { run: () => plainMatmul(a, b, c, m, n, k), read: () => c, dispose: () => {} };
  },
  step(method, parameters, gradients) {
    const p = Float32Array.from(parameters);
    const { learningRate, decay, eps } = STEP;
    const { rule, centered, momentum: hasMomentum } = method;
    if (centered || hasMomentum) return undefined;
    if (rule === "lanewise") {
      const v = new Float32Array(p.length);
      return { run: () => plainRmsprop(p, gradients, v, learningRate, decay, eps), read: () => p, dispose: () => {} };
    }
    if (rule === "sgd") return { run: () => plainSgd(p, gradients, learningRate), read: () => p, dispose: () => {} };
    return undefined;
  },
};

// The loops that somebody would write without Lanewise, to compare with.

/** The textbook's RMSProp step over plain arrays. */
export function plainRmsprop(
  p: Float32Array,
  g: Float32Array,
  v: Float32Array,
  lr: number,
  decay: number,
  eps: number,
): void {
  for (let i = 0; i < p.length; i++) {
    const grad = g[i]!;
    v[i] = decay * v[i]! + (1 - decay) * grad * grad;
    p[i] = p[i]! - (lr * grad) / Math.sqrt(v[i]! + eps);
  }
}

/** C = A·B, three loops, the inner one along the rows of B and C. */
export function plainMatmul(a: Float32Array, b: Float32Array, c: Float32Array, m: number, n: number, k: number): void {
  c.fill(0);
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) {
      const x = a[i * k + p]!;
      for (let j = 0; j < n; j++) c[i * n + j] = c[i * n + j]! + x * b[p * n + j]!;
    }
  }
}

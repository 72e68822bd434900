/** Unit roundoff of float32. */
const U = 2 ** -24;

/** Where RMSProp ends on Σ cᵢ·θᵢ² / 2, in float64, and how far float32 may be from it at most. */
export function descend(
  start: readonly number[],
  curvatures: readonly number[],
  { learningRate, decay, eps, steps }: { learningRate: number; decay: number; eps: number; steps: number },
): { value: number; bound: number }[] {
  return start.map((first, axis) => {
    const curvature = curvatures[axis]!;
    let [theta, v] = [first, 0];
    // Errors so far, carried through each operation to the first order; each rounds once, and so do its constants.
    let [errorTheta, errorV] = [0, 0];
    for (let step = 0; step < steps; step++) {
      const g = curvature * theta;
      const errorG = curvature * errorTheta + U * Math.abs(g);
      v = decay * v + (1 - decay) * g * g;
      errorV = decay * errorV + 2 * (1 - decay) * Math.abs(g) * errorG + 5 * U * v;
      const root = Math.sqrt(v + eps);
      const errorRoot = errorV / (2 * root) + 2 * U * root;
      const move = (learningRate * g) / root;
      // θ stands in both terms of θ − (learningRate · curvature / root) · θ, so its error counts once for both.
      const factor = 1 - (learningRate * curvature) / root;
      const errorMove = (Math.abs(move) * errorRoot) / root + 4 * U * Math.abs(move);
      theta -= move;
      errorTheta = Math.abs(factor) * errorTheta + errorMove + U * Math.abs(theta);
    }
    // Twice: what the first order leaves out is far less than that.
    return { value: theta, bound: 2 * errorTheta };
  });
}

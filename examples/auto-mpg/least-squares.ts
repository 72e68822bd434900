/** The weights and, after them, the intercept of the line with the least squared error, and its mean squared error. */
export function leastSquares(x: ArrayLike<number>, y: ArrayLike<number>): { weights: number[]; loss: number } {
  const width = x.length / y.length;
  const rows = Array.from(y, (target, i) => [...Array.from({ length: width }, (_, j) => x[i * width + j]!), 1, target]);
  const weights = solve(rows, width + 1);
  const errors = rows.map((row) => weights.reduce((sum, weight, j) => sum + weight * row[j]!, -row[width + 1]!));
  return { weights, loss: errors.reduce((sum, error) => sum + error * error, 0) / rows.length };
}

/** Solves the normal equations of rows of n factors and a target, by the elimination of Gauss and Jordan. */
function solve(rows: number[][], n: number): number[] {
  const equations = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n + 1 }, (_, j) => rows.reduce((sum, row) => sum + row[i]! * row[j]!, 0)),
  );
  // The matrix is positive definite: no pivot can be 0.
  for (let pivot = 0; pivot < n; pivot++) {
    for (let i = 0; i < n; i++) {
      if (i === pivot) continue;
      const factor = equations[i]![pivot]! / equations[pivot]![pivot]!;
      for (let j = pivot; j <= n; j++) equations[i]![j]! -= factor * equations[pivot]![j]!;
    }
  }
  return equations.map((equation, i) => equation[n]! / equation[i]!);
}

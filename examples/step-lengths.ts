import type { RMSProp, SGD } from "lanewise";

/** How far an optimizer of one parameter goes down at each of these gradients. */
export function stepLengths(
  gradients: readonly number[],
  makeOptimizer: (theta: Float32Array) => RMSProp | SGD,
): number[] {
  const theta = new Float32Array(1);
  using optimizer = makeOptimizer(theta);
  return gradients.map((gradient) => {
    theta[0] = 0; // so that it holds the step alone afterwards
    optimizer.step(Float32Array.of(gradient));
    return -theta[0];
  });
}

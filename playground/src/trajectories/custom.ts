import { parseExpression } from "./expression.ts";
import type { Surface } from "./surfaces.ts";

/** Step of the differences, relative to max(1, |x|): near the cube root of the rounding unit. */
const STEP = 2 ** -17;

/** The surface of a formula, over a square around 0, with slopes by central differences. */
export function customSurface(formula: string, half: number): Surface {
  const f = parseExpression(formula);
  const slope = (along: (x: number) => number, center: number): number => {
    const step = STEP * Math.max(1, Math.abs(center));
    return (along(center + step) - along(center - step)) / (2 * step);
  };
  return {
    f,
    gradient: (x, y) => [slope((moved) => f(moved, y), x), slope((moved) => f(x, moved), y)],
    window: { x: [-half, half], y: [-half, half] },
    start: [Number((-0.8 * half).toPrecision(3)), Number((0.7 * half).toPrecision(3))],
    minima: [],
  };
}

import { parseExpression } from "./expression.ts";
import type { Surface } from "./surfaces.ts";

/** Step of the differences, relative to max(1, |x|): near the cube root of the rounding unit. */
const STEP = 2 ** -17;

/** Points along each axis, less one, where a formula is tried: some must have a value. */
const SAMPLES = 20;

/**
 * The surface of a formula, over a square around 0, with slopes by central differences. Throws an Error that says what is
 * wrong with the formula.
 */
export function customSurface(formula: string, half: number): Surface {
  const f = parseExpression(formula);
  const samples = Array.from({ length: SAMPLES + 1 }, (_, i) => half * ((2 * i) / SAMPLES - 1));
  if (!samples.some((x) => samples.some((y) => Number.isFinite(f(x, y))))) {
    throw new Error(`The formula has no finite value from −${half} to ${half}.`);
  }
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

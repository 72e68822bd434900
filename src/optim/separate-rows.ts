import { OptionError } from "../errors.js";
import { type Gradients, isRecord } from "./parameters.js";
import { RowGradient } from "./row-gradient.js";

/**
 * Gradients of whole parameters and those of rows, by the names of their parameters; undefined where there are none of
 * rows. A list's names are its indices.
 */
export function separateRows(grads: Gradients): { whole: Gradients; byName: [string, RowGradient][] } | undefined {
  if (grads instanceof RowGradient) throw new OptionError("grads is of rows, expected them by the name of a parameter");
  if (!Array.isArray(grads) && !isRecord(grads)) return undefined;
  const byName = Object.entries(grads).filter(
    (entry): entry is [string, RowGradient] => entry[1] instanceof RowGradient,
  );
  if (byName.length === 0) return undefined;
  const whole = Array.isArray(grads)
    ? Array.from(grads as unknown[], (gradient) => (gradient instanceof RowGradient ? undefined : gradient))
    : Object.fromEntries(Object.entries(grads).filter(([, gradient]) => !(gradient instanceof RowGradient)));
  return { whole: whole as Gradients, byName };
}

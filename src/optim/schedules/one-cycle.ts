import { checkBoolean, checkChoice, checkFinite, checkInteger, checkKeys, checkNumber } from "../../checks.js";
import type { Schedule } from "../options.js";
import { cosine, line } from "./curves.js";

/** Options of `oneCycle`. */
export interface OneCycleOptions {
  /** Part of the cycle that rises, 0 to 1. Default 0.3. */
  pctStart?: number;
  /** The first value is peak/divFactor; > 0. Default 25. */
  divFactor?: number;
  /** The last value is the first/finalDivFactor; > 0. Default 1e4. */
  finalDivFactor?: number;
  /** Along half cosines (default) or straight lines. */
  anneal?: "cosine" | "linear";
  /** Down to the first value as long as it went up, and only then to the last. Default false. */
  threePhase?: boolean;
}

/**
 * One cycle: up from peak/divFactor to the peak at iteration pctStart·steps − 1, down to
 * peak/(divFactor·finalDivFactor) at iteration steps − 1; it then stays there.
 *
 * @param peak finite, >= 0
 * @param steps an integer >= 1
 * @param options see `OneCycleOptions`; PyTorch's defaults
 * @throws OptionError
 * @example
 * const schedule = oneCycle(0.1, 1000);
 * @see Smith and Topin, Super-Convergence (2018); PyTorch's OneCycleLR
 */
export function oneCycle(peak: number, steps: number, options: OneCycleOptions = {}): Schedule {
  checkFinite("peak", peak, 0);
  checkInteger("steps", steps, 1);
  checkKeys("options", options, ["pctStart", "divFactor", "finalDivFactor", "anneal", "threePhase"]);
  const { pctStart = 0.3, divFactor = 25, finalDivFactor = 1e4, anneal = "cosine", threePhase = false } = options;
  checkNumber("pctStart", pctStart, 0, 1);
  checkNumber("divFactor", divFactor, Number.MIN_VALUE, Number.MAX_VALUE);
  checkNumber("finalDivFactor", finalDivFactor, Number.MIN_VALUE, Number.MAX_VALUE);
  checkChoice("anneal", anneal, ["cosine", "linear"]);
  checkBoolean("threePhase", threePhase);
  const first = peak / divFactor;
  const last = first / finalDivFactor;
  const top = pctStart * steps - 1;
  const end = steps - 1;
  const foot = threePhase ? 2 * top : top; // 2·pctStart·steps − 2
  const along = anneal === "cosine" ? cosine : line;
  return (iteration) => {
    if (iteration < top) return along(first, peak, iteration / top);
    if (iteration === top) return peak;
    if (iteration <= foot) return along(peak, first, (iteration - top) / (foot - top));
    return along(threePhase ? first : peak, last, (iteration - foot) / (end - foot));
  };
}

/** Options of `oneCycleMomentum`. */
export interface OneCycleMomentumOptions extends Omit<OneCycleOptions, "divFactor" | "finalDivFactor"> {
  /** Where the learning rate is highest, 0 to 1. Default 0.85. */
  low?: number;
  /** Where it is lowest, 0 to 1. Default 0.95. */
  high?: number;
}

/**
 * The momentum of `oneCycle`, which goes the other way: from `high` down to `low` while the learning rate rises, and back
 * up. Set it before each step.
 *
 * @param steps an integer >= 1
 * @param options see `OneCycleMomentumOptions`; PyTorch's defaults
 * @throws OptionError
 * @example
 * const momentum = oneCycleMomentum(1000);
 * const optimizer = new SGD(core, params, { learningRate: oneCycle(0.1, 1000), momentum: momentum(0) });
 * optimizer.setOptions({ momentum: momentum(optimizer.iterations) });
 * optimizer.step(gradients);
 * @see PyTorch's OneCycleLR, cycle_momentum; for Adam it is beta1
 */
export function oneCycleMomentum(steps: number, options: OneCycleMomentumOptions = {}): Schedule {
  checkKeys("options", options, ["low", "high", "pctStart", "anneal", "threePhase"]);
  const { low = 0.85, high = 0.95, ...rest } = options;
  checkNumber("low", low, 0, 1);
  checkNumber("high", high, 0, 1);
  // From 1/2 up to 1 and down to 1/2: the part of the way from high to low.
  const rate = oneCycle(1, steps, { ...rest, divFactor: 2, finalDivFactor: 1 });
  return (iteration) => high + (low - high) * (2 * rate(iteration) - 1);
}

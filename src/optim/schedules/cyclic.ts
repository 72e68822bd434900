import { checkChoice, checkFinite, checkInteger, checkKeys, checkNumber } from "../../checks.js";
import { power } from "../bias-correction.js";
import type { Schedule } from "../options.js";

/** Options of `cyclic`. */
export interface CyclicOptions {
  /** Iterations up, an integer >= 1. Default 2000. */
  up?: number;
  /** Iterations down, an integer >= 1. Default: as many as up. */
  down?: number;
  /** Cycles of one height (default), each half as high as the one before, or of the height gammaᵗ. */
  mode?: "triangular" | "halving" | "exponential";
  /** Factor 0 to 1 of the height in each iteration, with mode `"exponential"`. Default 1. */
  gamma?: number;
}

/**
 * Up and down again on straight lines: base + (peak − base)·s·h, where s rises from 0 to 1 and falls back, and h is the
 * height of the cycle.
 *
 * @param base finite, >= 0
 * @param peak finite, >= 0
 * @param options see `CyclicOptions`; PyTorch's defaults
 * @throws OptionError
 * @example
 * const schedule = cyclic(0.001, 0.1, { up: 500, mode: "halving" });
 * @see Smith, Cyclical Learning Rates (2017); PyTorch's CyclicLR ("halving" is its triangular2, "exponential" its exp_range)
 */
export function cyclic(base: number, peak: number, options: CyclicOptions = {}): Schedule {
  checkFinite("base", base, 0);
  checkFinite("peak", peak, 0);
  checkKeys("options", options, ["up", "down", "mode", "gamma"]);
  const { up = 2000, down = up, mode = "triangular", gamma = 1 } = options;
  checkInteger("up", up, 1);
  checkInteger("down", down, 1);
  checkChoice("mode", mode, ["triangular", "halving", "exponential"]);
  checkNumber("gamma", gamma, 0, 1);
  return (iteration) => {
    const cycle = Math.floor(iteration / (up + down));
    const place = iteration - cycle * (up + down);
    const part = place <= up ? place / up : (up + down - place) / down;
    const height = mode === "halving" ? power(0.5, cycle) : mode === "exponential" ? power(gamma, iteration) : 1;
    return base + (peak - base) * part * height;
  };
}

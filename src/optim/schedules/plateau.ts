import { checkChoice, checkFinite, checkInteger, checkKeys, checkNumber, describe, unexpected } from "../../checks.js";
import { CheckpointError } from "../../errors.js";
import type { StatefulSchedule } from "../options.js";

/** Options of `reduceOnPlateau`. */
export interface PlateauOptions {
  /** Whether a value that is reported shall fall, as a loss, or rise, as an accuracy. Default `"min"`. */
  mode?: "min" | "max";
  /** What the value is multiplied by, 0 to 1. Default 0.1. */
  factor?: number;
  /** Reports without an improvement that are put up with, >= 0. Default 10. */
  patience?: number;
  /** What an improvement must exceed, >= 0: loss < best − threshold·|best|, or best − threshold. Default 1e-4. */
  threshold?: number;
  /** Default `"relative"`. */
  thresholdMode?: "relative" | "absolute";
  /** Reports after a reduction that do not count, >= 0. Default 0. */
  cooldown?: number;
  /** The value never falls below it; >= 0. Default 0. */
  minimum?: number;
}

/** What a plateau schedule remembers. */
export interface PlateauState {
  value: number;
  /** The best value reported; absent before the first. */
  best?: number;
  /** Reports without an improvement, in a row. */
  waited: number;
  /** Reports that do not count, still to come. */
  cooldown: number;
}

/** A schedule that follows the values it is given with `report`, instead of the iteration. */
export interface PlateauSchedule extends StatefulSchedule<PlateauState> {
  /** Tells it the loss, or what `mode` says; NaN is no improvement. Throws OptionError unless it is a number. */
  report(loss: number): void;
  /** A copy of what it remembers; `load` takes it back. */
  state(): PlateauState;
  /** Throws CheckpointError unless it is such a state; nothing has then changed. */
  load(state: PlateauState): void;
}

/**
 * Falls by a factor when a reported loss has stopped improving, as PyTorch's ReduceLROnPlateau does, with three
 * differences. A reduction is never too small to be made (no `eps`). A relative threshold is one of |best|, so that
 * values below 0 have to improve too; PyTorch takes best·(1 − threshold), which any value near a best below 0 reaches. And
 * the first value is an improvement whatever the threshold; to PyTorch none is from a relative threshold of 1 on, as its
 * first best is ∞·(1 − threshold).
 *
 * An optimizer saves what it remembers with its own state.
 *
 * @param value finite, >= 0
 * @param options see `PlateauOptions`; PyTorch's defaults
 * @throws OptionError
 * @example
 * const schedule = reduceOnPlateau(0.1, { patience: 2 });
 * const optimizer = new SGD(core, w, { learningRate: schedule });
 * schedule.report(0.5); // after each epoch
 */
export function reduceOnPlateau(value: number, options: PlateauOptions = {}): PlateauSchedule {
  checkFinite("value", value, 0);
  checkKeys("options", options, ["mode", "factor", "patience", "threshold", "thresholdMode", "cooldown", "minimum"]);
  const { mode = "min", factor = 0.1, patience = 10, threshold = 1e-4, thresholdMode = "relative" } = options;
  const { cooldown = 0, minimum = 0 } = options;
  checkChoice("mode", mode, ["min", "max"]);
  checkNumber("factor", factor, 0, 1);
  checkInteger("patience", patience, 0);
  checkFinite("threshold", threshold, 0);
  checkChoice("thresholdMode", thresholdMode, ["relative", "absolute"]);
  checkInteger("cooldown", cooldown, 0);
  checkFinite("minimum", minimum, 0);
  let state: PlateauState = { value, waited: 0, cooldown: 0 };

  function report(loss: number): void {
    if (typeof loss !== "number") throw unexpected("loss", loss, "a number");
    const worst = mode === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    const { best = worst } = state;
    // PyTorch's product where the best is above 0, to the last bit.
    const towards = (mode === "min") === best > 0 ? 1 - threshold : 1 + threshold;
    const step = mode === "min" ? -threshold : threshold;
    const bound = best === worst ? worst : thresholdMode === "relative" ? best * towards : best + step;
    const improves = mode === "min" ? loss < bound : loss > bound;
    if (improves) state.best = loss;
    state.waited = improves ? 0 : state.waited + 1;
    if (state.cooldown > 0) {
      state.cooldown--;
      state.waited = 0;
    }
    if (state.waited <= patience) return;
    // A value that began below the minimum stays what it is.
    state.value = Math.min(state.value, Math.max(state.value * factor, minimum));
    state.cooldown = cooldown;
    state.waited = 0;
  }

  function load(saved: PlateauState): void {
    const { value, best = 0, waited, cooldown } = (saved ?? {}) as Partial<PlateauState>;
    for (const [key, number] of Object.entries({ value, best, waited, cooldown })) {
      if (typeof number === "number" && (key === "best" ? !Number.isNaN(number) : number >= 0)) continue;
      throw new CheckpointError(
        `state.${key} is ${describe(number)}, expected a number${key === "best" ? "" : " >= 0"}`,
      );
    }
    state = { ...saved };
  }

  return Object.assign(() => state.value, { report, state: () => ({ ...state }), load });
}

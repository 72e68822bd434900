import { checkBoolean, checkFinite, checkInteger, checkKeys, unexpected } from "../checks.js";
import type { Tensor } from "../tensor.js";
import type { Epoch } from "./fit.js";
import type { Model } from "./model.js";
import type { Evaluation } from "./trainer.js";

/** Options of early stopping: when `fit` ends before its last epoch. */
export interface EarlyStopping {
  /**
   * What is watched: `"loss"`, `"validation.loss"`, `"validation.accuracy"`, or a metric that `fit` computes, as `"f1"` or
   * `"validation.f1"`. Default: the validation loss, without validation data the loss.
   */
  monitor?: string;
  /** Epochs without an improvement after which training ends, as Keras counts them; 0 is like 1. Default 5. */
  patience?: number;
  /** An improvement is a change by more than this, >= 0. Default 0. */
  minDelta?: number;
  /** Whether less is better. Default `"min"` for losses and errors, else `"max"`. */
  mode?: "min" | "max";
  /** Go back to the parameters of the best epoch when training ends. Default true. */
  restoreBest?: boolean;
}

/** Watches the epochs of a `fit`. */
export class Stopper {
  readonly #model: Model;
  readonly #options: EarlyStopping;
  readonly #monitor: string;
  readonly #sign: 1 | -1;
  #best = Number.POSITIVE_INFINITY;
  #waited = 0;
  #kept: Map<Tensor, Float32Array> | undefined;

  /** `metrics` are the names of those that `fit` computes. Throws OptionError. */
  constructor(model: Model, options: EarlyStopping, metrics: readonly string[], hasValidation: boolean) {
    checkKeys("earlyStopping", options, ["monitor", "patience", "minDelta", "mode", "restoreBest"]);
    const { monitor = hasValidation ? "validation.loss" : "loss", patience = 5, minDelta = 0 } = options;
    if (typeof monitor !== "string")
      throw unexpected("earlyStopping.monitor", monitor, "a name such as validation.loss");
    const names = new Set(["loss", ...metrics]);
    if (hasValidation) for (const name of ["accuracy", ...names]) names.add(`validation.${name}`);
    if (!names.has(monitor)) {
      const hint = hasValidation ? "" : '; "validation.…" needs the option validation';
      throw unexpected("earlyStopping.monitor", monitor, `one of "${[...names].join('", "')}"${hint}`);
    }
    checkInteger("earlyStopping.patience", patience, 0);
    checkFinite("earlyStopping.minDelta", minDelta, 0);
    const { mode = /loss|error/i.test(monitor) ? "min" : "max", restoreBest = true } = options;
    if (mode !== "min" && mode !== "max") throw unexpected("earlyStopping.mode", mode, '"min" or "max"');
    checkBoolean("earlyStopping.restoreBest", restoreBest);
    this.#model = model;
    this.#options = { patience, minDelta, restoreBest };
    this.#monitor = monitor;
    this.#sign = mode === "min" ? 1 : -1;
  }

  /** Whether training ends after this epoch. Throws OptionError if the epoch lacks what is watched. */
  observe(epoch: Epoch): boolean {
    const { patience = 0, minDelta = 0, restoreBest } = this.#options;
    const value = this.#sign * this.#valueOf(epoch);
    if (value < this.#best - minDelta) {
      this.#best = value;
      this.#waited = 0;
      if (restoreBest) this.#keep();
      return false;
    }
    this.#waited++;
    return this.#waited >= patience;
  }

  /** Puts the parameters and buffers of the best epoch back. */
  restore(): void {
    for (const [tensor, values] of this.#kept ?? []) tensor.data.set(values);
  }

  #keep(): void {
    const { parameters, buffers } = this.#model;
    this.#kept ??= new Map();
    for (const tensor of [...Object.values(parameters), ...Object.values(buffers)]) {
      const values = this.#kept.get(tensor);
      if (values === undefined) this.#kept.set(tensor, tensor.data.slice());
      else values.set(tensor.data);
    }
  }

  #valueOf(epoch: Epoch): number {
    const numbers = numbersOf(epoch);
    for (const [name, value] of Object.entries(numbersOf(epoch.validation))) numbers[`validation.${name}`] = value;
    if (Object.hasOwn(numbers, this.#monitor)) return numbers[this.#monitor]!;
    throw unexpected("earlyStopping.monitor", this.#monitor, `one of ${Object.keys(numbers).join(", ")}`);
  }
}

/** The numbers that a report has, by name. */
function numbersOf(report: Partial<Evaluation> | undefined): Record<string, number> {
  const { loss, accuracy, metrics } = report ?? {};
  const values = Object.entries({ ...metrics, ...(accuracy !== undefined && { accuracy }), loss });
  return Object.fromEntries(values.filter((entry): entry is [string, number] => typeof entry[1] === "number"));
}

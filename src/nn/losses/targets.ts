import { nnFamily } from "../../backend/families/nn.js";
import { checkFinite, checkNumber, checkNumericArray, unexpected } from "../../checks.js";
import { OptionError } from "../../errors.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";
import type { Targets } from "./loss.js";

/** Options of losses over classes. */
export interface ClassOptions {
  /** A factor for the rows of each class, by its index. Default: all are 1. The mean still divides by the rows. */
  classWeights?: ArrayLike<number>;
  /** Share of each target that is spread evenly over the classes, from 0 to 1. Default 0. */
  labelSmoothing?: number;
}

/** The options with their defaults; throws OptionError. */
export function checkClassOptions({ classWeights, labelSmoothing = 0 }: ClassOptions): {
  classWeights: Float32Array | undefined;
  labelSmoothing: number;
} {
  checkNumber("labelSmoothing", labelSmoothing, 0, 1);
  if (classWeights === undefined) return { classWeights: undefined, labelSmoothing };
  checkNumericArray("classWeights", classWeights, "an array of numbers");
  for (let i = 0; i < classWeights.length; i++) checkFinite(`classWeights[${i}]`, classWeights[i], 0);
  return { classWeights: Float32Array.from(classWeights), labelSmoothing };
}

/** Weights, each of as many answers of a batch. */
export interface RowWeights {
  readonly weights: Value | 0;
  readonly repeat: number;
}

/**
 * The weights of answers by their class, times those of the rows.
 *
 * @param answers of the batch, each with `columns` outputs
 * @param classes as many as there must be weights
 */
export function weighClasses(
  builder: PlanBuilder,
  classWeights: Float32Array | undefined,
  { value, areIndices, weights: rowWeights }: Targets,
  answers: number,
  columns: number,
  classes: number,
): RowWeights {
  const weights = rowWeights ?? 0;
  const repeat = answers / builder.rows;
  if (classWeights === undefined) return { weights, repeat };
  if (classWeights.length !== classes) {
    throw new OptionError(`classWeights has ${classWeights.length} elements, expected ${classes}: one for each class`);
  }
  const table = builder.constant(new Uint32Array(classWeights.buffer));
  const out = builder.block(answers);
  const args = [answers, columns, value, +areIndices, classes, table, weights, repeat, out];
  builder.call(nnFamily, "class_weights_f32", args);
  return { weights: out, repeat: 1 };
}

/** Throws OptionError unless all targets are from 0 to 1. */
export function checkProbabilities(name: string, targets: ArrayLike<number>): void {
  for (let i = 0; i < targets.length; i++) {
    const target = targets[i]!;
    if (!(target >= 0 && target <= 1)) throw unexpected(`${name}[${i}]`, target, "a probability from 0 to 1");
  }
}

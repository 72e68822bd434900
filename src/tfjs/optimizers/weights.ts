import type { Tensor } from "@tensorflow/tfjs-core";
import { describe } from "../../checks.js";
import { CheckpointError } from "../../errors.js";
import type { StateName } from "../../optim/state.js";

/** A tensor with a name, as TensorFlow.js hands weights and gradients about. */
export interface NamedTensor {
  name: string;
  tensor: Tensor;
}

/** A state array under the suffix that TensorFlow.js saves it with. */
export interface Column {
  readonly suffix: string;
  readonly state: StateName;
  /** TensorFlow.js has it even where the options do without it. */
  readonly always?: boolean;
}

/** State of one variable, as it was saved. */
export interface SavedVariable {
  readonly shape: number[];
  readonly iterations: number;
  readonly arrays: { [Name in StateName]?: Float32Array };
}

/** The weight that counts the gradients summed up so far, in the middle of an accumulation. */
export const ACCUMULATED_STEPS = "accumulatedSteps";

/** State of an optimizer, as it was saved; variables by name, in their order. */
export interface Saved {
  readonly iterations: number;
  readonly accumulatedSteps: number;
  readonly variables: Map<string, SavedVariable>;
}

/**
 * Reads what `getWeights` of TensorFlow.js's optimizers or of ours gave: `iter`, then `<variable>/<suffix>` for each
 * column. Ours may have more than one number in `iter`: the counts of the variables that differ from the optimizer's. In
 * the middle of an accumulation `accumulatedSteps` is there too.
 *
 * @param needed the states that every variable must have
 * @throws CheckpointError
 */
export async function readWeights(
  weights: readonly NamedTensor[],
  columns: readonly Column[],
  needed: readonly StateName[],
): Promise<Saved> {
  if (!Array.isArray(weights)) throw new CheckpointError(`weights is ${describe(weights)}, expected an array`);
  const [counts, ...contents] = await Promise.all(weights.map(({ tensor }) => tensor.data()));
  if (counts === undefined) throw new CheckpointError("weights is empty, expected the iterations first");
  const variables = new Map<string, { shape: number[]; iterations: number; arrays: SavedVariable["arrays"] }>();
  let accumulatedSteps = 0;
  const iterations = countOf(counts[0]);
  contents.forEach((content, i) => {
    const { name, tensor } = weights[i + 1]!;
    if (name === ACCUMULATED_STEPS) {
      accumulatedSteps = countOf(content[0], name);
      return;
    }
    const end = name.lastIndexOf("/");
    const column = columns.find(({ suffix }) => suffix === name.slice(end + 1));
    if (end < 0 || column === undefined) {
      const known = columns.map(({ suffix }) => `"<variable>/${suffix}"`).join(", ");
      throw new CheckpointError(`weights has "${name}", expected ${known}`);
    }
    if (tensor.dtype !== "float32") throw new CheckpointError(`"${name}" is ${tensor.dtype}, expected float32`);
    const variable = name.slice(0, end);
    let saved = variables.get(variable);
    if (saved === undefined) {
      const own = counts[variables.size + 1];
      saved = { shape: tensor.shape, iterations: own === undefined ? iterations : countOf(own), arrays: {} };
      variables.set(variable, saved);
    }
    checkShape(name, tensor.shape, saved.shape);
    saved.arrays[column.state] = (content as Float32Array).slice(); // the cpu backend hands out its own
  });
  for (const [variable, { arrays }] of variables) {
    for (const { suffix, state } of columns) {
      if (needed.includes(state) && !arrays[state]) throw new CheckpointError(`"${variable}/${suffix}" is missing`);
    }
    if (arrays.gradientSum && accumulatedSteps === 0) {
      throw new CheckpointError(`"${variable}/gradientSum" is there, but ${ACCUMULATED_STEPS} is missing`);
    }
  }
  return { iterations, accumulatedSteps, variables };
}

/** Throws CheckpointError unless the shapes are the same. */
export function checkShape(name: string, shape: readonly number[], expected: readonly number[]): void {
  if (String(shape) === String(expected)) return;
  throw new CheckpointError(`"${name}" has shape [${shape}], expected [${expected}]`);
}

function countOf(count: unknown, name = "iterations"): number {
  if (typeof count === "number" && Number.isInteger(count) && count >= 0) return count;
  throw new CheckpointError(`${name} is ${describe(count)}, expected an integer >= 0`);
}

/**
 * Which saved variable each of the model's is, by name. A model that is loaded beside another one has "_1" and the like
 * behind its names.
 *
 * @param isFirst nothing has been claimed so far: if no name is known at all, the order counts, as in TensorFlow.js
 * @throws CheckpointError when the order cannot count either
 */
export function matchNames(
  names: readonly string[],
  saved: readonly string[],
  isFirst: boolean,
): (string | undefined)[] {
  const stems = byStem(saved);
  const own = byStem(names);
  const matches = names.map((name) => {
    if (saved.includes(name)) return name;
    const stem = stemOf(name);
    return own.get(stem)?.length === 1 && stems.get(stem)?.length === 1 ? stems.get(stem)![0] : undefined;
  });
  if (!isFirst || saved.length === 0 || matches.some((match) => match !== undefined)) return matches;
  if (names.length === saved.length) return [...saved];
  throw new CheckpointError(`weights are of ${saved.join(", ")}, but the variables are ${names.join(", ")}`);
}

const stemOf = (name: string): string => name.replace(/_\d+$/, "");

function byStem(names: readonly string[]): Map<string, string[]> {
  const stems = new Map<string, string[]>();
  for (const name of names) stems.set(stemOf(name), [...(stems.get(stemOf(name)) ?? []), name]);
  return stems;
}

import { MODE_CLIP_GLOBAL_NORM } from "../abi/step-table.js";
import { OptionError } from "../errors.js";
import { Tensor } from "../tensor.js";
import { nonFinite } from "./gradients.js";
import { RowGradient, type RowIndices, rowSteps, type StepWithRows } from "./row-gradient.js";
import { checkRows, IndexBuffer } from "./rows.js";
import { separateRows } from "./separate-rows.js";

/**
 * The gradient of the rows of an embedding that a batch has touched, for `optimizer.step`, together with gradients of
 * whole parameters. The rows are updated as `stepRows` does, and all of it is one step.
 *
 * @param indices integers from 0 to the length of the parameter's first axis − 1; the gradients of one that is named
 *   several times are added in the order of the list
 * @param grads the gradients of these rows, one after the other: a Tensor [indices.length, ...the other axes] or a
 *   Float32Array
 * @example
 * const table = core.tensor([1000, 16]);
 * const head = core.tensor([16, 2]);
 * const optimizer = new RMSProp(core, { table, head });
 * optimizer.step({ table: rows([7, 42], new Float32Array(32).fill(0.1)), head: core.tensor([16, 2]) });
 */
export function rows(indices: RowIndices, grads: Tensor | Float32Array): RowGradient {
  rowSteps.run = stepWithRows;
  return new RowGradient(indices, grads);
}

/** A step of whole parameters and of rows of others. All of it is checked first. */
const stepWithRows: StepWithRows = (given, stepsOf) => {
  const separated = separateRows(given);
  if (separated === undefined) return false;
  const { whole, byName } = separated;
  const { core, structures, onNonFinite, table, slotOf, advance, update } = stepsOf();
  // An index would be that of a group.
  if (Array.isArray(whole) && structures.some(({ index, kind }) => index >= 0 && kind !== "single")) {
    throw new OptionError("grads is an array of groups with rows, expected one record of all parameters");
  }
  let isRefused = false;
  const parts = byName.map(([name, gradient]) => {
    const path = `grads.${name}`;
    const slot = slotOf(name, path);
    if (slot.group.hyper.mode & MODE_CLIP_GLOBAL_NORM) {
      throw new OptionError(`${path} is of rows, for which there is no globalClipNorm, expected clipNorm or clipValue`);
    }
    const { grads } = gradient;
    const indices = new IndexBuffer().read(gradient.indices);
    checkRows(core, slot, indices, grads);
    if (onNonFinite !== "propagate" && !(grads instanceof Tensor ? grads.data : grads).every(Number.isFinite)) {
      if (onNonFinite === "throw") throw nonFinite(path);
      isRefused = true;
    }
    return { slot, indices, grads };
  });
  if (isRefused) return true; // the whole step is skipped
  try {
    for (const { slot, indices } of parts) table.reserve(slot, indices); // nothing may fail in the middle
    if (!advance(whole)) return true; // a gradient of a whole parameter was refused
  } catch (error) {
    table.release();
    throw error;
  }
  for (const { slot, indices, grads } of parts) if (!slot.frozen) update(slot, indices, grads);
  return true;
};

import { describe, unexpected } from "../checks.js";
import { CheckpointError } from "../errors.js";
import type { OptimizerDescription } from "../optim/options.js";
import type { OptimizerState } from "../optim/state.js";
import { checkList, checkRecord, checkString, parseJson, valuesFor } from "./json.js";
import type { Packed } from "./plain.js";
import type { Safetensors } from "./safetensors.js";

/** What a checkpoint needs of an optimizer; `RMSProp`, `SGD` and the others are. */
export interface StatefulOptimizer {
  state(): OptimizerState;
  load(state: OptimizerState): void;
  /** An optimizer of one's own may go without; its kind is then not compared. */
  description?(): OptimizerDescription;
}

/**
 * The format that is written. It changes when files can no longer be read as before; what is only added, such as another
 * part beside `optimizer`, leaves it as it is. Format 1 (0.1.0) knows no `{ "$": … }` and no lists.
 */
export const FORMAT = 2;
export const PACKAGE = "0.1.0";
/** The key of the metadata. */
export const KEY = "lanewise";
/** The part of an optimizer, and before a slash what the names of its arrays begin with. */
export const OPTIMIZER = "optimizer";

/** The JSON of the metadata. */
export interface About {
  format: number;
  package: string;
  optimizer?: { description?: OptimizerDescription; state: Packed };
}

/** What an `About` has that is no part. */
const OWN_KEYS = ["format", "package", OPTIMIZER];

/** Parts of the file beside the optimizer: `lanewise.<part>` in the metadata, with arrays as tensors `<part>/…`. */
export function otherParts(about: About): [part: string, value: Packed][] {
  return Object.entries(about as unknown as Record<string, Packed>).filter(([key]) => !OWN_KEYS.includes(key));
}

/** What the metadata says, checked as far as it is used here; the optimizer checks its state. */
export function readAbout({ tensors, metadata }: Safetensors, parameterCount: number): About {
  const name = `metadata.${KEY}`;
  const text = metadata[KEY];
  if (text === undefined) return { format: FORMAT, package: PACKAGE };
  const about = checkRecord(name, parseJson(name, text, valuesFor(tensors.size + parameterCount)));
  const { format } = about;
  if (format !== 1 && format !== FORMAT) {
    const advice = typeof format === "number" && format > FORMAT ? ": the file is of a newer version of Lanewise" : "";
    throw new CheckpointError(`${name}.format is ${describe(format)}, expected 1 or ${FORMAT}${advice}`);
  }
  if (about[OPTIMIZER] !== undefined) {
    const path = `${name}.${OPTIMIZER}`;
    const optimizer = checkRecord(path, about[OPTIMIZER]);
    checkRecord(`${path}.state`, optimizer.state);
    if (optimizer.description !== undefined) checkDescription(`${path}.description`, optimizer.description);
  }
  return about as unknown as About;
}

/** Throws CheckpointError unless `value` is what `description()` returns. */
function checkDescription(path: string, value: unknown): void {
  const { optimizer, dialect, groups } = checkRecord(path, value);
  checkString(`${path}.optimizer`, optimizer);
  if (dialect !== undefined) checkString(`${path}.dialect`, dialect);
  for (const [i, member] of checkList(`${path}.groups`, groups).entries()) {
    const group = checkRecord(`${path}.groups[${i}]`, member);
    checkRecord(`${path}.groups[${i}].options`, group.options);
    const names = checkList(`${path}.groups[${i}].parameters`, group.parameters);
    for (const name of names) checkString(`${path}.groups[${i}].parameters`, name);
  }
}

/** Class and dialect: "RMSProp (pytorch)". */
export function kindOf({ optimizer, dialect }: OptimizerDescription): string {
  return dialect === undefined ? optimizer : `${optimizer} (${dialect})`;
}

/** Throws OptionError unless there is none, or one with a state. */
export function checkOptimizer(optimizer: Partial<StatefulOptimizer> | undefined): void {
  if (optimizer === undefined || (optimizer?.state && optimizer.load)) return;
  throw unexpected("optimizer", optimizer, "one with state() and load()");
}

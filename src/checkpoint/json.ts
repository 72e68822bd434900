import { cut, describe } from "../checks.js";
import { CheckpointError } from "../errors.js";
import { isRecord } from "../optim/parameters.js";

/** How deep JSON in the metadata may be nested. */
const DEPTH = 40;

/**
 * What is wrong with the size of JSON text, if anything is: it is nested too deep, or has more values, by their commas
 * and brackets, than `maxValues`.
 */
export function excessOf(text: string, maxValues: number): string | undefined {
  let depth = 0;
  let values = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') {
      while (++i < text.length && text[i] !== '"') if (text[i] === "\\") i++;
    } else if (character === "}" || character === "]") depth--;
    else if (character === "{" || character === "[" || character === ",") {
      if (character !== "," && ++depth > DEPTH) return `is nested deeper than ${DEPTH} times`;
      if (++values > maxValues) return `has more than ${maxValues} values, more than the file's tensors call for`;
    }
  }
  return undefined;
}

/**
 * The value of JSON text from a file. What it may cost is known before it is parsed.
 *
 * @throws CheckpointError
 */
export function parseJson(name: string, text: unknown, maxValues: number): unknown {
  if (typeof text !== "string") throw new CheckpointError(`${name} is ${describe(text)}, expected JSON`);
  const excess = excessOf(text, maxValues);
  if (excess !== undefined) throw new CheckpointError(`${name} ${excess}`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CheckpointError(`${name} is no JSON: ${cut((error as Error).message)}`);
  }
}

/** As many values as the metadata of a file may have, by the number of its tensors and parameters. */
export function valuesFor(count: number): number {
  return 10_000 + 32 * count;
}

/** Throws CheckpointError unless `value` is an object. */
export function checkRecord(name: string, value: unknown): Record<string, unknown> {
  if (isRecord(value)) return value;
  throw new CheckpointError(`${name} is ${describe(value)}, expected an object`);
}

/** Throws CheckpointError unless `value` is a list. */
export function checkList(name: string, value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw new CheckpointError(`${name} is ${describe(value)}, expected a list`);
}

/** Throws CheckpointError unless `value` is a string. */
export function checkString(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new CheckpointError(`${name} is ${describe(value)}, expected a string`);
}

// What the benches' commands take as options.
import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import { InvalidArgumentError } from "commander";

/** Reads some of these names, with commas between. */
export function parseNames(names: readonly string[]): (text: string) => string[] {
  return (text) => {
    const chosen = text.split(",");
    const unknown = chosen.find((name) => !names.includes(name));
    if (unknown !== undefined) throw new InvalidArgumentError(`${unknown} is none of ${names.join(", ")}.`);
    return chosen;
  };
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError("Expected an integer of at least 1.");
  return count;
}

export function parseRatio(text: string): number {
  const ratio = Number(text);
  if (!(ratio > 0 && ratio <= 1)) throw new InvalidArgumentError("Expected a number above 0, at most 1.");
  return ratio;
}

/** A file that can be written: better known now than after the measuring. */
export function parseFile(file: string): string {
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch {
    throw new InvalidArgumentError("There is no such folder to write into.");
  }
  return file;
}

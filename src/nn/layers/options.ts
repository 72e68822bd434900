import { unexpected } from "../../checks.js";
import { OptionError } from "../../errors.js";

/** A layer's name as it was given; throws OptionError unless it can be part of a parameter's name. */
export function checkName(name: unknown): string | undefined {
  if (name === undefined) return undefined;
  if (typeof name !== "string" || name === "") throw unexpected("name", name, "a string that is not empty");
  if (/^\d+$/.test(name))
    throw new OptionError(`name is "${name}", expected no number: layers without a name have numbers`);
  return name;
}

/** The options at the end of an argument list, without those that are undefined; none if all are. */
export function optionList(options: Readonly<Record<string, unknown>>): readonly unknown[] {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return given.length === 0 ? [] : [Object.fromEntries(given)];
}

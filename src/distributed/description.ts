import { digestOfText } from "./digest.js";
import { GroupError } from "./errors.js";

/** What members of a run must agree on: anything that JSON can express. */
export type Description = { readonly [name: string]: unknown };

/** The description as text: the same for equal descriptions, whatever the order of their keys. */
export function canonicalText(description: Description): string {
  return JSON.stringify(sorted(description));
}

/** The chain that a run's history begins with. */
export function startOf(description: Description): { step: 0; chain: string } {
  return { step: 0, chain: digestOfText(canonicalText(description)) };
}

/** @throws GroupError that names the differences between a member's description and the run's */
export function checkSame(run: string, own: Description, theirs: unknown): void {
  const differences: string[] = [];
  compare("", JSON.parse(canonicalText(own)), theirs, differences);
  if (differences.length === 0) return;
  const shown = differences.slice(0, 4).join("; ");
  const more = differences.length > 4 ? `; and ${differences.length - 4} more` : "";
  throw new GroupError(`run "${run}" is another one: ${shown}${more}`);
}

function compare(path: string, own: unknown, theirs: unknown, differences: string[]): void {
  if (isObject(own) && isObject(theirs) && Array.isArray(own) === Array.isArray(theirs)) {
    for (const key of new Set([...Object.keys(own), ...Object.keys(theirs)])) {
      const name = Array.isArray(own) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
      compare(name, own[key], theirs[key], differences);
    }
  } else if (own !== theirs) {
    differences.push(`${path} is ${show(own)} here, expected ${show(theirs)} as in the run`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function show(value: unknown): string {
  if (value === undefined) return "absent";
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.filter((key) => value[key] !== undefined).map((key) => [key, sorted(value[key])]));
}

import { describe } from "../../checks.js";
import { isRecord } from "../../optim/parameters.js";

/** How deep data may be nested. */
const DEPTH = 32;

/** Makes the error of a value that is not what it should be. */
export type Refuse = (path: string, value: unknown, expected: string) => Error;

/** Plain data: what JSON can say. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Throws unless `value` is JSON, and has no `__proto__`, which a careless copy would take for a prototype. */
export function checkJson(path: string, value: unknown, refuse: Refuse, depth = 0): asserts value is Json {
  if (depth > DEPTH) throw refuse(path, value, `data nested at most ${DEPTH} times`);
  if (value === null || typeof value === "string" || typeof value === "boolean" || Number.isFinite(value)) return;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) checkJson(`${path}[${i}]`, value[i], refuse, depth + 1);
    return;
  }
  if (!isRecord(value)) throw refuse(path, value, "JSON: strings, finite numbers, booleans, null, arrays, objects");
  for (const [key, member] of Object.entries(value)) {
    if (key === "__proto__") throw refuse(`${path}.${key}`, member, "another key");
    if (member !== undefined) checkJson(`${path}.${key}`, member, refuse, depth + 1);
  }
}

/** The words of a refusal. */
export function refusal(path: string, value: unknown, expected: string): string {
  return `${path} is ${describe(value)}, expected ${expected}`;
}

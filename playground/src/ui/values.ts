export type Value = number | string | boolean | undefined;
export type Values = Record<string, Value>;

/** A value that the user sets, and that the page's address has. */
export interface Field {
  readonly key: string;
  readonly label: string;
  /** A sentence below it. */
  readonly help?: string;
  readonly kind: "slider" | "number" | "select" | "check" | "text";
  /** What it is unless it was set; a number without one may be left empty. */
  readonly initial?: Value;
  readonly min?: number;
  readonly max?: number;
  /** How a slider's way is divided; `"decay"`: evenly in the number of steps remembered. */
  readonly scale?: "linear" | "log" | "decay";
  /** Sliders of whole numbers. */
  readonly whole?: boolean;
  /** Of a select: value and label. */
  readonly choices?: readonly (readonly [value: string, label: string])[];
}

export function initialValues(fields: readonly Field[]): Values {
  return Object.fromEntries(fields.map(({ key, initial }) => [key, initial]));
}

/** The value of a field that a text stands for; undefined where it does not fit. */
function parse({ kind, min = -Infinity, max = Infinity, choices, whole }: Field, text: string): Value {
  if (kind === "check") return text === "1";
  if (kind === "text") return text.slice(0, 200);
  if (kind === "select") return choices!.some(([value]) => value === text) ? text : undefined;
  const number = Number(text);
  const fits = text.trim() !== "" && number >= min && number <= max && !(whole && !Number.isInteger(number));
  return fits ? number : undefined;
}

/** Values from an address; what does not fit is passed over. */
export function decode(fields: readonly Field[], parameters: URLSearchParams): Values {
  const values = initialValues(fields);
  for (const field of fields) {
    const text = parameters.get(field.key);
    const value = text === null ? undefined : parse(field, text);
    if (value !== undefined) values[field.key] = value;
  }
  return values;
}

/** What differs from the initial values. */
export function encode(fields: readonly Field[], values: Values): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const { key, kind, initial } of fields) {
    const value = values[key];
    if (value === initial || value === undefined) continue;
    parameters.set(key, kind === "check" ? `${+(value === true)}` : `${value}`);
  }
  return parameters;
}

/** Values from a file. Throws an Error that names the first that is missing or does not fit its field. */
export function readValues(fields: readonly Field[], given: unknown): Values {
  const values: Values = {};
  for (const field of fields) {
    const { key, choices, min, max, whole } = field;
    const value = typeof given === "object" && given !== null && Object.hasOwn(given, key) && (given as Values)[key];
    const isPlain = typeof value === "number" || typeof value === "string";
    values[key] = isPlain ? parse(field, `${value}`) : undefined;
    if (values[key] !== undefined) continue;
    const expected = choices
      ? `one of ${choices.map(([choice]) => choice).join(", ")}`
      : `a ${whole ? "whole " : ""}number from ${min} to ${max}`;
    throw new Error(`${key} of the checkpoint is ${shorten(value)}; expected ${expected}`);
  }
  return values;
}

function shorten(value: unknown): string {
  const text = value === false ? "missing" : `${JSON.stringify(value)}`;
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

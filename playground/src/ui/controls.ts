import { h } from "./dom.ts";

export type Value = number | string | boolean | undefined;
export type Values = Record<string, Value>;

/** A value that the user sets, and that the page's address keeps. */
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

export interface Controls {
  readonly element: HTMLElement;
  /** Shows values that changed otherwise. */
  refresh(): void;
  /** Takes an option away, with the reason as its tooltip, or gives it back. */
  disable(key: string, reason: string | undefined): void;
  /** Marks a field as wrong, or no longer. */
  fail(key: string, message: string | undefined): void;
}

export function initialValues(fields: readonly Field[]): Values {
  return Object.fromEntries(fields.map(({ key, initial }) => [key, initial]));
}

/** Values from an address; what does not fit is passed over. */
export function decode(fields: readonly Field[], parameters: URLSearchParams): Values {
  const values = initialValues(fields);
  for (const { key, kind, min = -Infinity, max = Infinity, choices, whole } of fields) {
    const text = parameters.get(key);
    if (text === null) continue;
    const number = Number(text);
    if (kind === "check") values[key] = text === "1";
    else if (kind === "text") values[key] = text.slice(0, 200);
    else if (kind === "select") {
      if (choices!.some(([value]) => value === text)) values[key] = text;
    } else if (text.trim() !== "" && number >= min && number <= max && !(whole && !Number.isInteger(number))) {
      values[key] = number;
    }
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

export function format(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return `${value}`.replace("-", "−");
  const size = Math.abs(value);
  const text = size < 1e-3 || size >= 1e5 ? value.toExponential(2) : `${Number(value.toPrecision(4))}`;
  return text.replaceAll("-", "−");
}

/** Labelled inputs for `fields`, which write to `values`. */
export function controls(fields: readonly Field[], values: Values, onChange: (key: string) => void): Controls {
  const rows = new Map(
    fields.map((field) => [field.key, createRow(field, values, () => onChange(field.key))] as const),
  );
  return {
    element: h("div", { class: "fields" }, ...[...rows.values()].map(({ element }) => element)),
    refresh() {
      for (const { show } of rows.values()) show();
    },
    disable(key, reason) {
      const { element, input } = rows.get(key)!;
      input.disabled = reason !== undefined;
      element.title = reason ?? "";
    },
    fail(key, message) {
      const { input, error } = rows.get(key)!;
      input.setAttribute("aria-invalid", `${message !== undefined}`);
      error.textContent = message ?? "";
    },
  };
}

const POSITIONS = 400;

function createRow(field: Field, values: Values, onChange: () => void) {
  const { key, label, help, kind, initial, choices = [], min, max } = field;
  const id = `field-${key}`;
  const common = { id, "aria-describedby": `${id}-note` };
  const output = h("output", { for: id });
  const error = h("span", { class: "error", role: "alert" });
  const note = h("small", { id: `${id}-note` }, help ?? "", error);
  const input =
    kind === "select"
      ? h("select", common, ...choices.map(([value, text]) => h("option", { value }, text)))
      : h("input", {
          ...common,
          type: { slider: "range", number: "number", check: "checkbox", text: "text" }[kind],
          ...(kind === "slider" && { min: 0, max: POSITIONS }),
          ...(kind === "number" && {
            min,
            max,
            step: field.whole ? 1 : "any",
            placeholder: initial === undefined ? "default" : "",
          }),
          ...(kind === "text" && { maxlength: 200, spellcheck: "false", autocomplete: "off" }),
        });
  const tell = (value: number): void => {
    output.value = format(value);
    input.setAttribute("aria-valuetext", output.value);
  };
  const show = (): void => {
    const value = values[key];
    if (kind === "check") (input as HTMLInputElement).checked = value === true;
    else if (kind === "slider") {
      input.value = `${positionOf(field, value as number)}`;
      tell(value as number);
    } else input.value = value === undefined ? "" : `${value}`;
  };
  input.addEventListener("input", () => {
    if (kind === "check") values[key] = (input as HTMLInputElement).checked;
    else if (kind === "slider") {
      const value = valueAt(field, Number(input.value));
      values[key] = value;
      tell(value);
    } else if (kind === "number") {
      const number = (input as HTMLInputElement).valueAsNumber;
      if (!input.validity.valid) return;
      values[key] = Number.isNaN(number) ? initial : number;
    } else values[key] = input.value;
    onChange();
  });
  show();
  const caption = h("label", { for: id }, label);
  const line = kind === "check" ? [input, caption] : [caption, ...(kind === "slider" ? [output] : []), input];
  return { element: h("div", { class: `field ${kind}` }, ...line, note), input, error, show };
}

function positionOf({ min = 0, max = 1, scale = "linear" }: Field, value: number): number {
  const part =
    scale === "log"
      ? Math.log(value / min) / Math.log(max / min)
      : scale === "decay"
        ? Math.log10(1 - value) / Math.log10(1 - max)
        : (value - min) / (max - min);
  return Math.round(part * POSITIONS);
}

function valueAt({ min = 0, max = 1, scale = "linear", whole }: Field, position: number): number {
  const part = position / POSITIONS;
  if (scale === "log") return Number((min * (max / min) ** part).toPrecision(3));
  if (scale === "decay") return Number((1 - Number(((1 - max) ** part).toPrecision(3))).toPrecision(6));
  const value = min + part * (max - min);
  return whole ? Math.round(value) : Number(value.toPrecision(3));
}

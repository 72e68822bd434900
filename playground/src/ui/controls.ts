import { h } from "./dom.ts";
import type { Field, Values } from "./values.ts";

export interface Controls {
  readonly element: HTMLElement;
  /** Shows values that changed otherwise. */
  refresh(): void;
  /** Takes an option away, with the reason as its tooltip, or gives it back. */
  disable(key: string, reason: string | undefined): void;
  /** Marks a field as wrong, or no longer. */
  fail(key: string, message: string | undefined): void;
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

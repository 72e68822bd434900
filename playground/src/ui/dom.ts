type Attributes = Record<string, string | number | boolean | undefined>;

/** An element with attributes and children; `true` sets an attribute without a value, `false` and `undefined` none. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== false) element.setAttribute(name, `${value}`);
  }
  element.append(...children);
  return element;
}

export function button(label: string, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const element = h("button", { type: "button", ...attributes }, label);
  element.addEventListener("click", onClick);
  return element;
}

/** A titled part of a page. */
export function card(title: string, ...children: (Node | string)[]): HTMLElement {
  return h("section", { class: "card" }, h("h2", {}, title), ...children);
}

/** Hands the user a file. */
export function download(name: string, content: BlobPart, type: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = h("a", { href: url, download: name });
  link.click();
  URL.revokeObjectURL(url);
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const probe = document.createElement("i");
const colors = new Map<string, string>();
dark.addEventListener("change", () => colors.clear());

/** The color of a CSS custom property in the theme of the moment, as a canvas understands it. */
export function cssColor(name: string): string {
  let color = colors.get(name);
  if (color === undefined) {
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    color = getComputedStyle(probe).color;
    probe.remove();
    colors.set(name, color);
  }
  return color;
}

/** Calls back when the system changes between light and dark. */
export function onThemeChange(callback: () => void, signal: AbortSignal): void {
  dark.addEventListener("change", callback, { signal });
}

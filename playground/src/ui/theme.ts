const KEY = "lanewise-theme";

const system = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;
const probe = document.createElement("i");
const colors = new Map<string, string>();
const changes = new EventTarget();

const isDark = (): boolean => (root.dataset["theme"] ? root.dataset["theme"] === "dark" : system.matches);

/** Makes a button switch between light and dark. The system decides until it is used; then this browser remembers. */
export function themeSwitch(button: HTMLButtonElement): void {
  const change = (): void => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`);
    colors.clear();
    changes.dispatchEvent(new Event("change"));
  };
  const chosen = remembered();
  if (chosen === "light" || chosen === "dark") root.dataset["theme"] = chosen;
  system.addEventListener("change", change);
  button.addEventListener("click", () => {
    root.dataset["theme"] = isDark() ? "light" : "dark";
    try {
      localStorage.setItem(KEY, root.dataset["theme"]);
    } catch {
      // A browser that stores nothing: the choice lasts as long as the page.
    }
    change();
  });
  change();
}

function remembered(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** The color of a CSS custom property in the current theme, as a canvas understands it. */
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

/** Calls back when the page changes between light and dark. */
export function onThemeChange(callback: () => void, signal: AbortSignal): void {
  changes.addEventListener("change", callback, { signal });
}

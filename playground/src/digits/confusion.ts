import { h } from "../ui/dom.ts";

const DIGITS = Array.from({ length: 10 }, (_, digit) => digit);

export interface Confusion {
  readonly element: HTMLElement;
  /** Element [i][j] of `counts`: how often i was read as j. */
  show(counts: readonly (readonly number[])[]): void;
}

/** A table of what a network reads for what, and the pair that it confuses most. */
export function confusion(name: string): Confusion {
  const cells = DIGITS.map(() => DIGITS.map(() => h("td")));
  const worst = h("figcaption", {}, "…");
  const element = h(
    "figure",
    {},
    h(
      "table",
      { class: "confusion" },
      h("caption", {}, name),
      h("thead", {}, h("tr", {}, h("td"), ...DIGITS.map((digit) => h("th", { scope: "col" }, `${digit}`)))),
      h("tbody", {}, ...cells.map((row, digit) => h("tr", {}, h("th", { scope: "row" }, `${digit}`), ...row))),
    ),
    worst,
  );
  return {
    element,
    show(counts) {
      let [digit, reading, most] = [0, 0, 0];
      counts.forEach((row, i) => {
        const sum = row.reduce((total, count) => total + count, 0);
        row.forEach((count, j) => {
          const cell = cells[i]![j]!;
          cell.textContent = count > 0 ? `${count}` : "";
          // Errors are few: what a third of the right answers would have is already full color.
          const share = (i === j ? 1 : 3) * (count / sum);
          cell.style.setProperty("--share", `${Math.round(45 * Math.min(1, share))}%`);
          cell.className = i === j ? "right" : "wrong";
          if (i !== j && count > most) [digit, reading, most] = [i, j, count];
        });
      });
      worst.textContent = most > 0 ? `Most often: ${digit} read as ${reading}, ${most}×.` : "No error.";
    },
  };
}

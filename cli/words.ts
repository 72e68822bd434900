// Numbers as they are read.

export function count(n: number): string {
  return n.toLocaleString("en");
}

/** `1 row`, `2,000 rows`. */
export function plural(n: number, word: string): string {
  return `${count(n)} ${word}${n === 1 ? "" : "s"}`;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Three digits. */
export function rounded(value: number): string {
  return String(Number(value.toPrecision(3)));
}

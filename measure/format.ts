/** Three digits, or all before the point. */
export function formatNumber(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Milliseconds in the unit that suits them. */
export function formatTime(milliseconds: number): string {
  if (milliseconds >= 1) return `${formatNumber(milliseconds)} ms`;
  if (milliseconds >= 1e-3) return `${formatNumber(milliseconds * 1e3)} µs`;
  return `${(milliseconds * 1e6).toFixed(0)} ns`;
}

import process from "node:process";
import { SingleBar } from "cli-progress";

/** Writes to standard output. */
export function print(text = ""): void {
  process.stdout.write(`${text}\n`);
}

/** What is printed for programs. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}

let colored = process.stdout.isTTY === true && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";

/** Prints without color from now on. */
export function forgoColor(): void {
  colored = false;
}

const paint = (code: number) => (text: string) => (colored ? `\x1b[${code}m${text}\x1b[0m` : text);
export const bold = paint(1);
export const faint = paint(2);
export const red = paint(31);
export const green = paint(32);
export const cyan = paint(36);

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar of `share` of the width, to an eighth of a character; nothing but zero is invisible. */
export function drawBar(share: number, width: number): string {
  const eighths = Math.max(share > 0 ? 1 : 0, Math.round(share * width * 8));
  return ("█".repeat(eighths >> 3) + EIGHTHS[eighths & 7]).padEnd(width);
}

let current: SingleBar | undefined;

/**
 * A line of progress on standard error, where that is a terminal; everybody else sees nothing.
 *
 * @param format as cli-progress has it, of `{bar}`, `{value}`, `{total}` and the names of the payload
 */
export function startProgress(format: string, total: number, payload: object): SingleBar {
  stopProgress();
  current = new SingleBar({
    format,
    // The rest of the line is text of about 40 characters.
    barsize: Math.max(5, Math.min(30, (process.stderr.columns || 80) - 45)),
    barCompleteChar: "█",
    barIncompleteChar: "░",
    hideCursor: true,
    clearOnComplete: true,
  });
  if (process.env["TERM"] !== "dumb") current.start(total, 0, payload);
  return current;
}

/** Clears the line of progress, if there is one, and brings the cursor back. */
export function stopProgress(): void {
  current?.stop();
  current = undefined;
}

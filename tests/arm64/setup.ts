import { execFileSync } from "node:child_process";
import { EMULATOR, NODE_ARM64 } from "./emulator.js";

/** Throws at once if the emulated Node does not start: Vitest would wait for its processes for minutes. */
export default function setup(): void {
  const [first, ...words] = [...EMULATOR, NODE_ARM64];
  const found = execFileSync(first, [...words, "-p", "process.arch"], { encoding: "utf8" }).trim();
  if (found !== "arm64") throw new Error(`the emulated Node is for ${found}, expected arm64`);
}

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The machine's own limits, from a C program; `undefined` where there is no C compiler or it is not an x86. */
export interface Native {
  /** G operations/s of 128-bit multiplies and adds. */
  multiplyAdd(): number;
  /** G parameters/s of a 128-bit RMSProp step. */
  rmsprop(parameters: number): number;
  dispose(): void;
}

export function compileNative(): Native | undefined {
  const folder = mkdtempSync(join(tmpdir(), "lanewise-bench-"));
  const program = join(folder, "limit");
  const source = fileURLToPath(new URL("native/limit.c", import.meta.url));
  const { status } = spawnSync("cc", ["-O3", "-march=native", "-ffp-contract=off", source, "-o", program]);
  if (status !== 0) {
    rmSync(folder, { recursive: true });
    return undefined;
  }
  const run = (...args: string[]) => Number(execFileSync(program, args, { encoding: "utf8" }));
  return {
    multiplyAdd: () => run("muladd"),
    rmsprop: (parameters) => run("rmsprop", `${parameters}`),
    dispose: () => rmSync(folder, { recursive: true }),
  };
}

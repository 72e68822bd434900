import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Method } from "./contestant.js";

/** The machine's own limits at one width of its vectors, from a C program. */
export interface Native {
  readonly name: string;
  /** G operations/s of multiplies and adds. */
  multiplyAdd(): number;
  /** GB/s of reading this number of bytes repeatedly. */
  read(bytes: number): number;
  /** G parameters/s of an optimizer's step. */
  step(method: Method, parameters: number): number;
  /** The parameters after some steps. */
  stepped(method: Method, parameters: number, steps: number): Float32Array;
}

const MULTIPLY_ADDS = 400_000;
/** What the program's loops take at a time, in floats. */
const BLOCK = 64;

/** Compiles the program for this number of lanes of 32 bits; none where there is no C compiler, or this is not such an x86. */
export function compileNative(lanes: readonly number[]): { natives: Native[]; dispose(): void } {
  const folder = mkdtempSync(join(tmpdir(), "lanewise-bench-"));
  const source = fileURLToPath(new URL("native/limit.c", import.meta.url));
  const natives = lanes.flatMap((count): Native[] => {
    const program = join(folder, `limit-${count}`);
    const flags = ["-O3", "-funroll-loops", "-march=native", "-ffp-contract=off", `-DLANES=${count}`];
    if (spawnSync("cc", [...flags, source, "-o", program, "-lm"]).status !== 0) return [];
    const call = (work: string, n: number, ...more: string[]) =>
      execFileSync(program, [work, `${Math.ceil(n / BLOCK) * BLOCK}`, ...more], {
        maxBuffer: Number.POSITIVE_INFINITY,
      });
    const run = (work: string, n: number) => Number(call(work, n));
    return [
      {
        name: `native ${32 * count}-bit`,
        multiplyAdd: () => run("muladd", MULTIPLY_ADDS),
        read: (bytes) => 4 * run("read", bytes / 4),
        step: (method, parameters) => run(nameOf(method), parameters),
        stepped: (method, parameters, steps) =>
          new Float32Array(new Uint8Array(call(nameOf(method), parameters, `${steps}`)).buffer, 0, parameters),
      },
    ];
  });
  return { natives, dispose: () => rmSync(folder, { recursive: true }) };
}

/** What the program calls a step. */
function nameOf({ rule, centered, momentum }: Method): string {
  return `${rule.replaceAll("-", "_")}${centered ? "_centered" : ""}${momentum ? "_momentum" : ""}`;
}

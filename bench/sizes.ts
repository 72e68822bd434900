// The sizes of `npm run size`, once with brotli and once with gzip, as a file for bench/tables.ts.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describeEnvironment } from "./report.js";

/** What an import adds to a page, in bytes. */
export interface Size {
  readonly name: string;
  readonly brotli: number;
  readonly gzip: number;
}

const measure = (compression: string): { name: string; size: number }[] =>
  JSON.parse(
    execFileSync("npx", ["size-limit", "--json"], {
      encoding: "utf8",
      env: { ...process.env, COMPRESSION: compression },
    }),
  );
const zipped = measure("gzip");
const sizes = measure("brotli").map(({ name, size }, i): Size => ({ name, brotli: size, gzip: zipped[i]!.size }));
const { date, commit } = describeEnvironment();
const file = fileURLToPath(new URL("results/sizes.json", import.meta.url));
writeFileSync(file, `${JSON.stringify({ environment: { date, commit }, sizes }, null, 2)}\n`);

// A build of the package: a folder with package.json and dist, or a tarball of npm pack.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** A build, where it can be imported. */
export interface Build {
  /** As the user named it. */
  readonly name: string;
  /** Addresses of its entry points `lanewise` and `lanewise/nn`. */
  readonly core: string;
  readonly nn: string;
  /** Removes what a tarball was unpacked into. */
  dispose(): void;
}

/** @throws Error where `path` is no build */
export function openBuild(path: string): Build {
  const unpacked = statSync(path).isDirectory() ? undefined : mkdtempSync(join(tmpdir(), "lanewise-build-"));
  if (unpacked !== undefined) execFileSync("tar", ["-xzf", resolve(path), "-C", unpacked]);
  const folder = unpacked === undefined ? resolve(path) : join(unpacked, "package");
  const { exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const entry = (name: string) => {
    const file = join(folder, exports[name].default);
    if (!statSync(file, { throwIfNoEntry: false })) throw new Error(`${file} is missing: was the package built?`);
    return pathToFileURL(file).href;
  };
  return {
    name: path,
    core: entry("."),
    nn: entry("./nn"),
    dispose: () => unpacked && rmSync(unpacked, { recursive: true }),
  };
}

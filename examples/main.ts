import { realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** Calls `main` if the module at `url` is what Node was started with, not something a test imports. */
export async function runAsMain(url: string, main: () => Promise<void>): Promise<void> {
  const program = process.argv[1];
  if (program !== undefined && url === pathToFileURL(realpathSync(program)).href) await main();
}

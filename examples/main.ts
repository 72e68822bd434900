import { readFileSync, realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";

/**
 * Calls `main` if the module at `url` is what Node was started with, not something a test imports. Before, it prints the
 * comment at the module's beginning: what the example shows.
 */
export async function runAsMain(url: string, main: () => Promise<void>): Promise<void> {
  const program = process.argv[1];
  if (program === undefined || url !== pathToFileURL(realpathSync(program)).href) return;
  const [comment = ""] = /^(\/\/ .*\n)*/.exec(readFileSync(new URL(url), "utf8")) ?? [];
  console.log(`${comment.replaceAll("// ", "").replaceAll("\n", " ").trim()}\n`);
  await main();
}

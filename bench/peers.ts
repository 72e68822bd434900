import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Contestant } from "./contestant.js";

const FOLDER = new URL("peers/", import.meta.url);

/** The peers of bench/peers; installs them the first time. */
export async function loadPeers(): Promise<readonly Contestant[]> {
  if (!existsSync(new URL("node_modules", FOLDER))) {
    const { status } = spawnSync("npm", ["ci", "--prefix", fileURLToPath(FOLDER)], { stdio: "inherit" });
    if (status !== 0) throw new Error("npm ci in bench/peers failed");
  }
  // Not a literal, so that the bench is type-checked without them; their own tsconfig.json is in their folder.
  const { peers } = await import(new URL("index.ts", FOLDER).href);
  return peers;
}

// Puts the built package where a user has it: among the node_modules of the folder that is named.
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { pathToFileURL } from "node:url";

const root = new URL("../", import.meta.url);
const placed = new URL("node_modules/lanewise/", `${pathToFileURL(process.argv[2])}/`);
rmSync(placed, { recursive: true, force: true });
mkdirSync(placed, { recursive: true });
for (const part of ["package.json", "dist"]) cpSync(new URL(part, root), new URL(part, placed), { recursive: true });

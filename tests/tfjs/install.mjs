// Puts the built package where a user has it: beside TensorFlow.js, under its own name.
import { cpSync, mkdirSync, rmSync } from "node:fs";

const root = new URL("../../", import.meta.url);
const installed = new URL("node_modules/lanewise/", import.meta.url);
rmSync(installed, { recursive: true, force: true });
mkdirSync(installed, { recursive: true });
for (const part of ["package.json", "dist"]) {
  cpSync(new URL(part, root), new URL(part, installed), { recursive: true });
}

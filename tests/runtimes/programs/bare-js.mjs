// The same with the entry point that has no Wasm.
import * as lanewise from "lanewise/js";
import * as nn from "lanewise/nn";
import { program } from "../program.mjs";

export const run = async (options) => JSON.stringify(await program(lanewise, nn, JSON.parse(options)));

// Engines that have the language and nothing else: a function for the host to call.
import * as lanewise from "lanewise";
import * as nn from "lanewise/nn";
import { program } from "../program.mjs";

export const run = async (options) => JSON.stringify(await program(lanewise, nn, JSON.parse(options)));

// Engines without modules or an event loop of their own: a function for the host to call.
import * as lanewise from "lanewise";
import * as nn from "lanewise/nn";
import { program } from "../program.mjs";

globalThis.run = async (options) => JSON.stringify(await program(lanewise, nn, JSON.parse(options)));

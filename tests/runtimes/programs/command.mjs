// Node, Deno and Bun: options as an argument, the report on standard output.
import * as lanewise from "lanewise";
import * as nn from "lanewise/nn";
import { program } from "../program.mjs";

console.log(JSON.stringify(await program(lanewise, nn, JSON.parse(process.argv[2]))));

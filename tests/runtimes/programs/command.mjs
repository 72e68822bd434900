// Node, Deno and Bun: options as an argument, the report on standard output.
import * as lanewise from "lanewise";
import * as nn from "lanewise/nn";
import { program } from "../program.mjs";

program(lanewise, nn, JSON.parse(process.argv[2])).then((report) => console.log(JSON.stringify(report)));

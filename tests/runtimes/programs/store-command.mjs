// Node, Deno, Bun: a request as the argument, what became of it on standard output.
import { fileStore } from "lanewise/checkpoint/file";
import { use } from "./stores.mjs";

const { path, ...request } = JSON.parse(process.argv[2]);
console.log(JSON.stringify(await use(() => fileStore(path), request)));

// Node, Deno, Bun: a program's name and a request as the argument, what came of it on standard output.
import { programs } from "./calls.mjs";

const { program, ...request } = JSON.parse(process.argv[2]);
programs[program](request).then((report) => {
  console.log(JSON.stringify(report));
  process.exit(); // a worker that spins would keep some runtimes alive
});

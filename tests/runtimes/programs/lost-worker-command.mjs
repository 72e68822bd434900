// Node, Deno, Bun: a request as the argument, what became of it on standard output.
import { loseWorker } from "./lost-worker.mjs";

loseWorker(JSON.parse(process.argv[2])).then((report) => {
  console.log(JSON.stringify(report));
  process.exit(); // a worker that spins would keep some runtimes alive
});

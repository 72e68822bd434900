// Last in the bundle: runs what the specs have declared.
import { writeFileSync } from "node:fs";
import { setBackend, train } from "@tensorflow/tfjs-core";
import * as lanewise from "lanewise/tfjs";
import { jasmineEnv } from "./environment.js";

const [mode, results] = process.argv.slice(2) as [string, string];
const outcomes: Record<string, string> = {};

jasmineEnv.configure({
  random: false,
  specFilter: (spec) => mode !== "optimizers" || /^\w*[oO]ptimizer /.test(spec.getFullName()),
});
jasmineEnv.addReporter({
  specDone({ fullName, status, failedExpectations }) {
    const failures = failedExpectations.map(({ message }) => message.split("\n", 1)[0]);
    let name = fullName;
    for (let again = 2; name in outcomes; again++) name = `${fullName} (${again})`;
    outcomes[name] = status === "failed" ? failures.join("; ") : status;
  },
});

async function run(): Promise<void> {
  if (mode === "accelerated") {
    await setBackend("wasm");
    await lanewise.accelerate();
  }
  if (mode === "optimizers") {
    const { rmsprop, adam, adagrad, sgd, momentum } = lanewise;
    Object.assign(train, { rmsprop, adam, adagrad, sgd, momentum });
  }
  await jasmineEnv.execute();
  writeFileSync(results, JSON.stringify(outcomes));
  process.exit();
}

run();

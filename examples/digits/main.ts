// Trains a network on real handwritten digits with Lanewise's RMSProp, then compares it with the JavaScript backend.
import { writeFileSync } from "node:fs";
import { SingleBar } from "cli-progress";
import Table from "cli-table3";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { createCore, createCoreSync, LanewiseError, RMSProp, type RMSPropOptions } from "lanewise";
import { loadDigits } from "./data.js";
import { type TrainResult, trainDigits } from "./train.js";

const TRAIN_COUNT = 8000;

interface Options extends RMSPropOptions {
  epochs: number;
  batchSize: number;
  seed: number;
  backend: "auto" | "wasm" | "js";
  json?: string;
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || Number.isNaN(value)) throw new InvalidArgumentError("expected a number.");
  return value;
}

function integer(text: string): number {
  const value = number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("expected an integer >= 1.");
  return value;
}

function seed(text: string): number {
  const value = number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError("expected an integer >= 0.");
  return value;
}

const program = new Command("npm start --")
  .description("Train a 784-128-10 network on handwritten digits, with Lanewise's RMSProp.")
  .option("--epochs <n>", "passes over the 8,000 training digits", integer, 15)
  .option("--batch-size <n>", "digits a step", integer, 64)
  .option("--learning-rate <x>", "step size", number, 1e-3)
  .option("--decay <x>", "decay of the squared gradient's mean", number, 0.9)
  .option("--eps <x>", "keeps the divisor above 0", number, 1e-8)
  .addOption(new Option("--eps-placement <where>", "where eps is added").choices(["inside", "outside", "ratio"]))
  .option("--initial-scale <x>", "start value of the squared gradient's mean", number)
  .option("--momentum <x>", "momentum", number, 0)
  .option("--nesterov", "Nesterov momentum")
  .option("--centered", "subtract the squared mean gradient")
  .option("--mean-decay <x>", "decay of the gradient's mean, if centered", number)
  .option("--bias-correction", "correct the means for their start at zero")
  .option("--weight-decay <x>", "weight decay", number, 0)
  .option("--decoupled-weight-decay", "apply it to the weights, not the gradients")
  .option("--clip-value <x>", "largest element of a gradient", number)
  .option("--clip-norm <x>", "largest norm of a parameter's gradient", number)
  .option("--global-clip-norm <x>", "largest norm of all gradients together", number)
  .addOption(new Option("--backend <name>", "what computes").choices(["auto", "wasm", "js"]).default("auto"))
  .option("--seed <n>", "seed of weights and sample order", seed, 0)
  .option("--json <file>", "write the results to a file")
  .allowExcessArguments(false)
  .exitOverride();

async function main({ epochs, batchSize, seed, backend, json, ...optimizer }: Options): Promise<void> {
  checkOptimizer(optimizer);
  if (json !== undefined) writeFileSync(json, ""); // fails now rather than after the training
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort(new CommanderError(130, "interrupted", "Interrupted.")));
  const { signal } = abort;
  const { train, test } = loadDigits(TRAIN_COUNT, seed);

  const run = async (name: "auto" | "wasm" | "js", count: number): Promise<TrainResult> => {
    using core = await createCore({ backend: name });
    console.log(`\n${core.backend} (${core.variant}): ${core.reason}`);
    const bar = new SingleBar({
      format: "epoch {epoch}/{epochs} [{bar}] {percentage}% | loss {loss} | {eta} s left",
      hideCursor: true,
      clearOnComplete: true,
    });
    try {
      return await trainDigits(core, train, test, {
        hidden: 128,
        epochs: count,
        batchSize,
        seed,
        optimizer,
        signal,
        onProgress({ epoch, epochs, batch, batches, loss }) {
          const payload = { epoch, epochs, loss: loss.toFixed(4) };
          if (batch === 1) bar.start(batches, 0, payload);
          bar.update(batch, payload);
        },
        onEpoch({ epoch, loss, accuracy }) {
          bar.stop();
          console.log(`epoch ${epoch}/${count}  loss ${loss.toFixed(4)}  test accuracy ${accuracy.toFixed(4)}`);
        },
      });
    } finally {
      bar.stop();
    }
  };

  console.log(`${train.count} digits to train on, ${test.count} to test`);
  const first = await run(backend, epochs);
  const js = await run("js", 1);
  const ratio = js.millisecondsPerStep / first.millisecondsPerStep;
  const sameBits = Buffer.from(first.afterFirstEpoch.buffer).equals(Buffer.from(js.afterFirstEpoch.buffer));

  const table = new Table({
    head: ["backend", "epochs", "test accuracy", "ms per step"],
    style: { head: [], border: [], compact: true },
  });
  for (const { backend, variant, epochs, accuracy, millisecondsPerStep } of [first, js]) {
    table.push([`${backend} (${variant})`, epochs, accuracy.toFixed(4), millisecondsPerStep.toFixed(3)]);
  }
  console.log(`\n${table}`);
  console.log(`${first.variant} is ${ratio.toFixed(1)} times as fast as ${js.variant}.`);
  console.log(`After epoch 1 the parameters of both are ${sameBits ? "equal bit for bit" : "DIFFERENT"}.`);
  if (json !== undefined) {
    const runs = [first, js].map(({ afterFirstEpoch, parameters, ...rest }) => rest);
    writeFileSync(json, `${JSON.stringify({ runs, ratio, sameBits }, null, 2)}\n`);
  }
  if (!sameBits) process.exitCode = 1;
}

/** Throws on a bad option before anything is loaded. */
function checkOptimizer(options: RMSPropOptions): void {
  using core = createCoreSync({ backend: "js" });
  new RMSProp(core, core.tensor([1]), options).dispose();
}

try {
  program.parse();
  await main(program.opts<Options>());
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed its own errors and the help; the interruption is ours.
    if (error.code === "interrupted") console.error(error.message);
    process.exitCode = error.code === "interrupted" ? 130 : error.exitCode === 0 ? 0 : 2;
  } else if (error instanceof LanewiseError || (error instanceof Error && "syscall" in error)) {
    console.error(`error: ${error.message}`);
    process.exitCode = 2;
  } else throw error;
}

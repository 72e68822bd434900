#!/usr/bin/env node
// The command line: reads arguments, hands over to a command, and ends with its exit code.
import process from "node:process";
import { Command, CommanderError, type Help, InvalidArgumentError, Option } from "commander";
import { LanewiseError } from "lanewise";
import { SIZES } from "../measure/compare.js";
import { type BenchOptions, bench } from "./bench.js";
import { doctor } from "./doctor.js";
import { inspect } from "./inspect.js";
import { terminalWidth } from "./layout.js";
import { type PredictOptions, predict } from "./predict.js";
import { forgoColor, stopProgress } from "./terminal.js";
import { type TrainOptions, train } from "./train.js";
import { type WorkerOptions, worker } from "./worker.js";

/** Exit code of a wrong argument; 1 is that of a wrong result. */
const USAGE = 2;

const TASKS = ["regression", "classification"];

const program = new Command("lanewise")
  .description("Train and use networks, and measure how fast this machine's SIMD lanes are.")
  .version(VERSION)
  .option("--no-color", "print without color, as with NO_COLOR in the environment")
  .on("option:no-color", forgoColor)
  .showHelpAfterError("lanewise --help lists the commands, lanewise help <command> its options")
  .configureHelp({ formatItem, minWidthToWrap: 20 })
  .configureOutput({ getOutHelpWidth: terminalWidth, getErrHelpWidth: terminalWidth })
  .exitOverride();

program
  .command("doctor")
  .description("show what this runtime offers and what Lanewise selects; run the self-test and print its digest")
  .option("--json", "print the report for programs")
  .action(run(doctor));

program
  .command("bench")
  .description("measure steps and products in JavaScript and Wasm")
  .addOption(sizesOption("--steps <sizes>", "parameters of a step, comma-separated; 0: none", SIZES.step))
  .addOption(sizesOption("--products <sizes>", "n of n × n × n products, comma-separated; 0: none", SIZES.product))
  .option("--samples <n>", "turns of 20 ms for each result", integer(1), 15)
  .option("--threads <n>", "also measure with this number of threads, up to 256", threads, 1)
  .option("--markdown", "print tables to paste")
  .option("--json", "print the results for programs")
  .action(run<BenchOptions>(bench));

program
  .command("train")
  .description(
    "train a network to predict a column of a CSV file; without --data on handwritten digits, with each backend",
  )
  .option("--data <file>", "CSV file whose first line names the columns")
  .option("--target <column>", "column to predict from the others")
  .addOption(new Option("--task <task>", "default: regression for numbers, classification for text").choices(TASKS))
  .option("--text <columns>", "columns to read as text though they are numbers, with commas between", names)
  .option("--ignore <columns>", "columns not to use, with commas between", names)
  .option("--delimiter <character>", "what separates the cells of the CSV file", delimiter)
  .option("--validation <share>", "share of the rows to measure the model on; default: 0.2", share)
  .option("--patience <n>", "epochs without improvement before training ends; default: 20", integer(0))
  .option("--save <file>", "write the model to a safetensors file, for lanewise predict")
  .option("--epochs <n>", "passes over the rows; default: 20 for digits, 300 for a CSV file", integer(1))
  .option("--batch-size <n>", "rows in a step", integer(1), 32)
  .option("--hidden <n>", "units of the hidden layer", integer(1), 64)
  .option("--learning-rate <x>", "step size", number(0), 1e-3)
  .option("--seed <n>", "random seed of the weights, the split and the order", seed, 0)
  .option("--json", "print the results for programs")
  .action(run<TrainOptions>(train));

program
  .command("predict")
  .description("predict a column of a CSV file with a model that lanewise train has saved")
  .requiredOption("--model <file>", "what lanewise train --save has written")
  .requiredOption("--data <file>", "CSV file with the columns that the model was trained on")
  .option("--delimiter <character>", "what separates the cells of the CSV file", delimiter, ",")
  .option("--output <file>", "write to this file instead of standard output")
  .option("--json", "write JSON instead of CSV, with the probability of each class")
  .action(run<PredictOptions>(predict));

program
  .command("inspect")
  .description("show the tensors, metadata and model of a safetensors file")
  .argument("<file>", "safetensors file; it need not be trusted")
  .option("--json", "print the report for programs")
  .action(async (file: string, options: { json?: boolean }) => {
    process.exitCode = await inspect(file, options);
  });

program
  .command("worker")
  .description("train together with other workers, through a NATS server")
  .option("--run <name>", "name of the run: workers that use the same train the same network")
  .option("--nats <url>", "address of the server: nats://, tls://, ws:// or wss://")
  .option("--local", "train in this process alone, without a server: the digest is the same")
  .option("--user <name>", "user")
  .option("--password <text>", "password of the user")
  .option("--token <text>", "token")
  .option("--creds <file>", "file with credentials")
  .option("--ca <file>", "certificates that the server's is checked with, in PEM")
  .option("--program <file>", "module that exports what to train; default: a network on handwritten digits")
  .option("--name <text>", "beginning of this worker's name", "worker")
  .option("--lease <ms>", "milliseconds after which a silent worker loses its part", integer(30), 3000)
  .option("--epochs <n>", "passes over the data, of all workers together", integer(0), 5)
  .option("--batch-size <n>", "rows a step, of all workers together", integer(1), 128)
  .option("--micro-batches <n>", "parts of a batch; another number gives other bits", integer(1), 16)
  .option("--resume", "only go on with a run that exists")
  .option("--save <file>", "write the parameters to a safetensors file at the end")
  .option("--json", "print lines of JSON for programs")
  .action(run<WorkerOptions>(worker));

/** A line of help: in a narrow terminal the description is below its term. */
function formatItem(term: string, termWidth: number, description: string, helper: Help): string {
  const width = helper.helpWidth ?? 80;
  if (!description) return `  ${term}`;
  if (width >= 64)
    return `  ${term.padEnd(termWidth)}  ${helper.boxWrap(description, width - termWidth - 4).replaceAll("\n", `\n${" ".repeat(termWidth + 4)}`)}`;
  return `  ${term}\n      ${helper.boxWrap(description, width - 6).replaceAll("\n", "\n      ")}`;
}

/** A command's action: its exit code becomes the process'. */
function run<O>(command: (options: O) => Promise<number>) {
  return async (options: O) => {
    process.exitCode = await command(options);
  };
}

/** A parser of numbers from `least` on. */
function number(least: number, isRight = Number.isFinite, what = "a number") {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() !== "" && isRight(value) && value >= least) return value;
    throw new InvalidArgumentError(`Expected ${what} >= ${least}.`);
  };
}

function share(text: string): number {
  const value = number(0)(text);
  if (value >= 1) throw new InvalidArgumentError("Expected a number from 0 to below 1.");
  return value;
}

function seed(text: string): number {
  const value = integer(0)(text);
  if (value >= 2 ** 32) throw new InvalidArgumentError("Expected an integer from 0 to 4294967295.");
  return value;
}

function delimiter(text: string): string {
  if (text === "\\t") return "\t";
  if (text.length !== 1 || /["\r\n]/.test(text)) throw new InvalidArgumentError('Expected one character, such as ";".');
  return text;
}

function names(text: string): string[] {
  return text.split(",").map((name) => name.trim());
}

function integer(least: number) {
  return number(least, Number.isSafeInteger, "an integer");
}

function threads(text: string): number {
  const count = integer(1)(text);
  if (count > 256) throw new InvalidArgumentError("Expected at most 256.");
  return count;
}

/** An option of sizes. Help shows its default as it is written. */
function sizesOption(flags: string, description: string, values: readonly number[]): Option {
  return new Option(flags, description).argParser(sizes).default([...values], values.join(","));
}

function sizes(text: string): number[] {
  return text
    .split(",")
    .map(integer(0))
    .filter((size) => size > 0);
}

// At once: the process takes its workers along.
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.once(signal, () => {
    stopProgress();
    process.exit(code);
  });
}
// Whoever reads the output has seen enough: `lanewise bench | head -3`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

program.parseAsync().catch((error: unknown) => {
  stopProgress();
  if (error instanceof CommanderError) {
    // Commander has printed its message, or the help that was asked for.
    process.exitCode = error.exitCode === 0 ? 0 : USAGE;
  } else if (error instanceof LanewiseError) {
    process.stderr.write(`error: ${error.message}\n`);
    process.exitCode = USAGE;
  } else {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    process.exitCode = 1;
  }
});

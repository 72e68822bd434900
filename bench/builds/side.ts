// A process that has imported one build, and does what the command asks for: one turn after the other.
import { createHash } from "node:crypto";
import { pause } from "../../measure/rounds.js";
import type { Task } from "../../measure/task.js";
import type { Contestant } from "../contestant.js";
import { CORES, contestantOf, type Library } from "../library.js";
import { jobsOf } from "./work.js";

/** What the process is started with, as JSON. */
export interface SideOptions {
  readonly core: string;
  readonly nn: string;
  readonly kinds: readonly string[];
  /** A name of CORES. */
  readonly on: string;
}

/** Asks to make a piece of work ready, by its place in the list; to do it for a while; or to drop it. */
export type Request = { readonly start: number } | { readonly turn: true } | { readonly end: true };

/** `milliseconds` of the turn's shortest run; `digest` of the result of its first runs. */
export interface Answer {
  readonly milliseconds?: number;
  readonly digest?: string;
  readonly error?: string;
}

const TURN_MILLISECONDS = 20;
/** Until V8 has optimized the kernels. */
const WARM_UP_MILLISECONDS = 60;
/** A sample is long against the clock's resolution. */
const SAMPLE_MILLISECONDS = 0.2;

const { core, nn, kinds, on }: SideOptions = JSON.parse(process.argv[2]!);
const library = { ...(await import(core)), ...(await import(nn)) } as Library;
const jobs = jobsOf(kinds);
let contestant: Contestant | undefined;
let task: Task | undefined;
let repeat = 1;

process.on("message", async (request: Request) => {
  let answer: Answer;
  try {
    answer = await obey(request);
  } catch (error) {
    answer = { error: error instanceof Error ? error.message : String(error) };
  }
  process.send!(answer);
});
process.send!({} satisfies Answer);

async function obey(request: Request): Promise<Answer> {
  if ("start" in request) return start(request.start);
  if ("turn" in request) return { milliseconds: await turn(TURN_MILLISECONDS) };
  task?.dispose();
  task = undefined;
  return {};
}

async function start(place: number): Promise<Answer> {
  contestant ??= await makeContestant();
  const job = jobs[place]!();
  task = await job.start(contestant);
  for (let run = 0; run < job.runsBeforeCheck; run++) await task!.run();
  const digest = createHash("sha256").update(Buffer.from(task!.read().buffer)).digest("hex");
  for (repeat = 1; (await sample()) < SAMPLE_MILLISECONDS && repeat < 2 ** 24; ) repeat *= 2;
  await turn(WARM_UP_MILLISECONDS);
  // Compiling goes on in other threads; their results are taken over between tasks.
  await pause();
  return { digest };
}

async function makeContestant(): Promise<Contestant> {
  const { options, runs } = CORES.find(({ name }) => name === on)!;
  const made = await library.createCore(options);
  if (!runs(made)) throw new Error(`no ${on} core here: ${made.reason}`);
  return contestantOf(library, on, made);
}

/** Milliseconds of `repeat` runs. */
async function sample(): Promise<number> {
  const begin = performance.now();
  for (let run = 0; run < repeat; run++) task!.run();
  return performance.now() - begin;
}

/** Samples for some time; the milliseconds of one run in the shortest. */
async function turn(milliseconds: number): Promise<number> {
  const end = performance.now() + milliseconds;
  let least = Number.POSITIVE_INFINITY;
  do least = Math.min(least, await sample());
  while (performance.now() < end);
  return least / repeat;
}

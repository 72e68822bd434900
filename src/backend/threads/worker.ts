// What runs in a worker. scripts/build-wasm.mjs bundles it into a string, so that no file has to be hosted or found.

import {
  ARGUMENTS,
  CALLER_SLEEPS,
  COPYING,
  claim,
  computeInCopies,
  copyResults,
  DONE,
  FINISHED,
  generationOf,
  type JobQueue,
  jobQueueOver,
  KERNEL,
  type Kernel,
  MESSAGES,
  OPEN,
  OWNER,
  SLEEPERS,
  STATE,
  stateOf,
  TICKET,
  unclaimed,
  watch,
} from "./job-queue.js";
import type { WorkerMessage } from "./messages.js";
import type { Copies } from "./operands.js";
import { workerThreads } from "./runtime.js";

/** How long a worker that has nothing to do looks out for the next job before it sleeps; see decision 0007. */
const SPIN_MILLISECONDS = 0.05;

const port = workerThreads()?.parentPort;
const post = (answer: string) => (port ?? self).postMessage(answer);

let queue: JobQueue;
let memory: WebAssembly.Memory;
let thread = 0;
let copies: Copies;
/** The kernels that are computed in pieces, whichever binary has the others. */
let pieces: WebAssembly.Exports = {};
let messages = 0;
const args = new Float64Array(ARGUMENTS);
/**
 * The kernels of each binary, in the order of the messages that brought them; none where it could not be instantiated.
 */
const binaries: Kernel[][] = [];

/** Takes a binary in and answers with an empty string, or with what went wrong. */
function read(message: WorkerMessage): void {
  messages++;
  let answer = "";
  try {
    const { greeting } = message;
    if (greeting) {
      ({ memory, thread } = greeting);
      queue = jobQueueOver(greeting.queue);
      copies = instantiate(greeting.copies) as unknown as Copies;
      if (greeting.pieces) pieces = instantiate(greeting.pieces);
    }
    const exports = instantiate(message.module);
    binaries.push(message.kernels.map((name) => (pieces[name] ?? exports[name]) as Kernel));
  } catch (error) {
    binaries.push([]);
    answer = String(error);
  }
  post(answer);
  serve();
}

function instantiate(module: WebAssembly.Module): WebAssembly.Exports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports;
}

/** Computes chunks until there is another message to read. */
function serve(): void {
  const { words } = queue;
  for (;;) {
    const ticket = Atomics.load(words, TICKET); // before the messages: a message is followed by a new ticket
    if (Atomics.load(words, MESSAGES) > messages) return;
    const job = Atomics.load(words, KERNEL);
    const kernel = binaries[job >> 8]?.[job & 255];
    if (unclaimed(ticket) > 0 && kernel !== undefined) {
      const chunk = claim(queue, ticket);
      if (chunk >= 0) finish(kernel, chunk, generationOf(ticket));
    } else if (watch(words, TICKET, ticket, SPIN_MILLISECONDS) === ticket) {
      Atomics.add(words, SLEEPERS, 1);
      Atomics.wait(words, TICKET, ticket);
      Atomics.sub(words, SLEEPERS, 1);
    }
  }
}

/** Computes a chunk, and writes its results if the caller still waits for them. */
function finish(kernel: Kernel, chunk: number, generation: number): void {
  const { words } = queue;
  const open = stateOf(generation, OPEN);
  try {
    computeInCopies(kernel, queue, copies, chunk, thread, args);
    Atomics.store(words, OWNER + chunk, thread);
    if (Atomics.compareExchange(words, STATE + chunk, open, stateOf(generation, COPYING)) === open) {
      copyResults(queue, copies, chunk, thread);
      Atomics.store(words, STATE + chunk, stateOf(generation, FINISHED));
    }
  } catch {
    // It stays open: the caller computes it.
  }
  Atomics.add(words, DONE, 1);
  if (Atomics.load(words, CALLER_SLEEPS) !== 0) Atomics.notify(words, DONE);
}

if (port) port.on("message", read);
else self.onmessage = ({ data }) => read(data);

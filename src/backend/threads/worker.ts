// What runs in a worker. scripts/build-wasm.mjs bundles it into a string, so that no file has to be hosted or found.

import {
  type Board,
  boardOver,
  CALLER_SLEEPS,
  claim,
  compute,
  DONE,
  KERNEL,
  type Kernel,
  LETTERS,
  SLEEPERS,
  TICKET,
  TRAPPED,
  unclaimed,
  watch,
} from "./board.js";
import type { Letter } from "./letters.js";
import { workerThreads } from "./runtime.js";

/** How long a worker that has nothing to do looks out for the next job before it sleeps; see decision 0007. */
const SPIN_MILLISECONDS = 0.05;

const port = workerThreads()?.parentPort;
const post = (answer: string) => (port ?? self).postMessage(answer);

let board: Board;
let memory: WebAssembly.Memory;
let thread = 0;
let letters = 0;
/** The kernels of each binary, in the order of the letters that brought them; none where it could not be instantiated. */
const binaries: Kernel[][] = [];

/** Takes a binary in and answers with an empty string, or with what went wrong. */
function read(letter: Letter): void {
  letters++;
  let answer = "";
  try {
    if (letter.greeting) ({ memory, thread } = letter.greeting);
    if (letter.greeting) board = boardOver(letter.greeting.board);
    const { exports } = new WebAssembly.Instance(letter.module, { env: { memory } });
    binaries.push(letter.kernels.map((name) => exports[name] as Kernel));
  } catch (error) {
    binaries.push([]);
    answer = String(error);
  }
  post(answer);
  serve();
}

/** Computes chunks until there is another letter to read. */
function serve(): void {
  const { words } = board;
  for (;;) {
    const ticket = Atomics.load(words, TICKET); // before the letters: a letter is followed by a new ticket
    if (Atomics.load(words, LETTERS) > letters) return;
    const job = Atomics.load(words, KERNEL);
    const kernel = binaries[job >> 8]?.[job & 255];
    if (unclaimed(ticket) > 0 && kernel !== undefined) {
      const chunk = claim(board, ticket);
      if (chunk >= 0) finish(kernel, chunk);
    } else if (watch(words, TICKET, ticket, SPIN_MILLISECONDS) === ticket) {
      Atomics.add(words, SLEEPERS, 1);
      Atomics.wait(words, TICKET, ticket);
      Atomics.sub(words, SLEEPERS, 1);
    }
  }
}

function finish(kernel: Kernel, chunk: number): void {
  const { words } = board;
  try {
    compute(kernel, board, chunk, thread);
  } catch {
    Atomics.add(words, TRAPPED, 1);
  }
  Atomics.add(words, DONE, 1);
  if (Atomics.load(words, CALLER_SLEEPS) !== 0) Atomics.notify(words, DONE);
}

if (port) port.on("message", read);
else self.onmessage = ({ data }) => read(data);

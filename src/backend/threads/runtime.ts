import { builtinModule } from "../builtin.js";
import type { Letter } from "./letters.js";

/** What is used of node:worker_threads. */
interface WorkerThreads {
  readonly Worker: new (source: string, options: { eval: true; execArgv: string[] }) => NodeWorker;
  /** In a worker: the way to who made it. */
  readonly parentPort?: {
    on(event: "message", listener: (letter: Letter) => void): void;
    postMessage(answer: string): void;
  } | null;
}

interface NodeWorker {
  on(event: "message" | "error" | "exit", listener: (value: unknown) => void): void;
  postMessage(letter: Letter): void;
  unref(): void;
  terminate(): void;
}

/** node:worker_threads, where it exists: Node, Deno, Bun. */
export const workerThreads = (): WorkerThreads | undefined => builtinModule("node:worker_threads");

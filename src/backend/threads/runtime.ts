import { builtinModule } from "../builtin.js";
import type { WorkerMessage } from "./messages.js";

/** What is used of node:worker_threads. */
interface WorkerThreads {
  readonly Worker: new (source: string, options: { eval: true; execArgv: string[] }) => NodeWorker;
  /** In a worker: the way to who made it. */
  readonly parentPort?: {
    on(event: "message", listener: (message: WorkerMessage) => void): void;
    postMessage(answer: string): void;
  } | null;
}

interface NodeWorker {
  on(event: "message" | "error" | "exit", listener: (value: unknown) => void): void;
  postMessage(message: WorkerMessage): void;
  unref(): void;
  terminate(): void;
}

/** node:worker_threads, where it exists: Node, Deno, Bun. */
export const workerThreads = (): WorkerThreads | undefined => builtinModule("node:worker_threads");

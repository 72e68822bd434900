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

/** node:worker_threads, where it exists: Node, Deno, Bun. Asked for at run time, so that bundlers do not look for it. */
export function workerThreads(): WorkerThreads | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(id: string): unknown } };
  return process?.getBuiltinModule?.("node:worker_threads") as WorkerThreads | undefined;
}

import { source } from "./generated/worker-source.js";
import type { WorkerMessage } from "./messages.js";
import { workerThreads } from "./runtime.js";

/** A worker in any runtime. */
export interface WorkerHandle {
  post(message: WorkerMessage): void;
  /** From now on it does not keep the process alive. */
  release(): void;
  terminate(): void;
}

/** Who wants to know of a worker's answers, and of its end. */
export interface Listener {
  answered(answer: string): void;
  ended(reason: string): void;
}

/** Starts a worker; throws where there are none. It may still end before its first answer. */
export type Spawn = (listener: Listener) => WorkerHandle;

export const spawnWorker: Spawn = (listener) => {
  const threads = workerThreads();
  if (threads !== undefined) {
    // Without the program's own flags: they may load hooks, which is slow and not wanted here.
    const worker = new threads.Worker(source, { eval: true, execArgv: [] });
    worker.on("message", (answer) => listener.answered(answer as string));
    worker.on("error", (error) => listener.ended(String(error)));
    worker.on("exit", (code) => listener.ended(`it ended with code ${code}`));
    return {
      post: (message) => worker.postMessage(message),
      release: () => worker.unref(),
      terminate: () => worker.terminate(),
    };
  }
  if (typeof Worker !== "function") throw new Error("this runtime has no workers");
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url);
  worker.onmessage = ({ data }) => {
    URL.revokeObjectURL(url); // it is loaded
    listener.answered(data);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    URL.revokeObjectURL(url);
    listener.ended(event.message || "it was not loaded: does the page's CSP lack worker-src blob: ?");
  };
  return {
    post: (message) => worker.postMessage(message),
    release: () => {},
    terminate: () => worker.terminate(),
  };
};

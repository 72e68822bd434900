import { Worker } from "node:worker_threads";
import { Random } from "lanewise/nn";
import type { Choice } from "./trial.js";

/** A choice, and its accuracy after each epoch that it was given. */
export interface Trial {
  readonly choice: Choice;
  readonly accuracies: number[];
  stopped: boolean;
}

/** Settings of a search. */
export interface SearchSettings {
  readonly trials: number;
  readonly epochs: number;
  readonly threads: number;
  readonly onTrial?: (trial: Trial) => void;
}

/** Epochs that every trial is given, and trials that have to have come as far before one is stopped. */
const [GRACE, FEWEST] = [1, 4];

/** A random choice: learning rate, decay and width on logarithmic scales. */
function choose(random: Random): Choice {
  const logarithmic = (low: number, high: number) => low * (high / low) ** random.uniform();
  return {
    learningRate: logarithmic(1e-5, 1e-1),
    decay: 1 - logarithmic(1e-3, 0.5),
    hidden: Math.round(logarithmic(8, 256)),
    dropout: 0.5 * random.uniform(),
    batchSize: 2 ** (4 + random.below(4)),
  };
}

/**
 * Random search (Bergstra & Bengio 2012) on worker threads. A trial is stopped when it is below the median of what the
 * others had after as many epochs (the median stopping rule of Google Vizier, Golovin et al. 2017).
 */
export async function search({ trials: count, epochs, threads, onTrial }: SearchSettings): Promise<Trial[]> {
  const random = new Random(0);
  const waiting = Array.from({ length: count }, (): Trial => {
    return { choice: choose(random), accuracies: [], stopped: false };
  });
  const started: Trial[] = [];
  /** Works until no trial is left. */
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL("./worker.mjs", import.meta.url), { workerData: { epochs } });
    try {
      for (let trial = waiting.shift(); trial !== undefined; trial = waiting.shift()) {
        started.push(trial);
        await runOn(worker, trial, started);
        onTrial?.(trial);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
  return started;
}

function runOn(worker: Worker, trial: Trial, others: readonly Trial[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (finish: () => void) => {
      worker.off("message", listen);
      worker.off("error", fail);
      finish();
    };
    const fail = (error: Error) => end(() => reject(error));
    const listen = (message: { accuracy: number } | { done: true }) => {
      if ("done" in message) return end(resolve);
      trial.accuracies.push(message.accuracy);
      trial.stopped = isHopeless(trial, others);
      worker.postMessage({ goOn: !trial.stopped });
    };
    worker.on("message", listen);
    worker.on("error", fail);
    worker.postMessage({ choice: trial.choice });
  });
}

function isHopeless({ accuracies }: Trial, others: readonly Trial[]): boolean {
  const epoch = accuracies.length - 1;
  const then = others.flatMap((other) => other.accuracies[epoch] ?? []).sort((a, b) => a - b);
  return epoch >= GRACE && then.length >= FEWEST && accuracies[epoch]! < then[then.length >> 1]!;
}

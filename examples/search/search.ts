import { EventEmitter, once } from "node:events";
import { Worker } from "node:worker_threads";
import { Random } from "lanewise/nn";
import type { Choice } from "./trial.js";

/** A choice, and its accuracy after each epoch that it was given. */
export interface Trial {
  readonly choice: Choice;
  readonly accuracies: number[];
  stopped: boolean;
  ended: boolean;
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

/** A trial is compared with those that began at least this number of trials before it: more threads than that are of no use. */
const LAG = 8;

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
 * Random search (Bergstra & Bengio 2012) on worker threads. A trial is stopped when it is below the median of what others
 * had after as many epochs (the median stopping rule of Google Vizier, Golovin et al. 2017). Which others does not depend
 * on the threads, and nor does the result.
 */
export async function search({ trials: count, epochs, threads, onTrial }: SearchSettings): Promise<Trial[]> {
  const random = new Random(0);
  const trials = Array.from({ length: count }, (): Trial => {
    return { choice: choose(random), accuracies: [], stopped: false, ended: false };
  });
  const waiting = [...trials.entries()];
  const news = new EventEmitter().setMaxListeners(LAG);
  /** Works until no trial is left. */
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL("./worker.mjs", import.meta.url), { workerData: { epochs } });
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [index, trial] = next;
        await runOn(worker, trial, trials.slice(0, Math.max(0, index - LAG)), news);
        onTrial?.(trial);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, LAG) }, work));
  return trials;
}

/** Runs a trial to its end; tells `news` of every epoch. */
async function runOn(worker: Worker, trial: Trial, others: readonly Trial[], news: EventEmitter): Promise<void> {
  worker.postMessage({ choice: trial.choice });
  while (!trial.ended) {
    const [message] = (await once(worker, "message")) as [{ accuracy: number } | { done: true }];
    if ("done" in message) {
      trial.ended = true;
    } else {
      trial.accuracies.push(message.accuracy);
      trial.stopped = await isHopeless(trial, others, news);
      worker.postMessage({ goOn: !trial.stopped });
    }
    news.emit("epoch");
  }
}

async function isHopeless({ accuracies }: Trial, others: readonly Trial[], news: EventEmitter): Promise<boolean> {
  const epoch = accuracies.length - 1;
  while (others.some((other) => !other.ended && other.accuracies.length <= epoch)) await once(news, "epoch");
  const then = others.flatMap((other) => other.accuracies[epoch] ?? []).sort((a, b) => a - b);
  return epoch >= GRACE && then.length >= FEWEST && accuracies[epoch]! < then[then.length >> 1]!;
}

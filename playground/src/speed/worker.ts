// Measures away from the page, so that neither disturbs the other.
import { createCore, matmul, RMSProp } from "lanewise";
import { compare, type Result } from "../../../measure/compare.ts";

/** What to measure. */
export interface Request {
  readonly threads: number;
  readonly samples: number;
}

/** A result, the end, or what went wrong. */
export type Reply = { readonly result: Result } | { readonly done: true } | { readonly error: string };

const reply = (message: Reply): void => postMessage(message);

/** The clock's smallest step: 5 µs in an isolated page, elsewhere up to 1 ms. */
function clockStep(): number {
  let step = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 10; tries++) {
    const start = performance.now();
    let next = start;
    while (next === start) next = performance.now();
    step = Math.min(step, next - start);
  }
  return step;
}

addEventListener("message", async ({ data }: MessageEvent<Request>) => {
  const sample = Math.max(0.2, 20 * clockStep());
  try {
    // All sizes roughly, in a second, then thoroughly.
    for (const samples of [1, data.samples]) {
      for await (const result of compare({ createCore, matmul, RMSProp, sample, threads: data.threads, samples })) {
        reply({ result });
      }
    }
    reply({ done: true });
  } catch (error) {
    reply({ error: (error as Error).message });
  }
});

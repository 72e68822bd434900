// Measures away from the page, so that neither disturbs the other.
import { createCore, matmul, RMSProp } from "lanewise";
import { compare, type Result } from "../../../bench/compare.ts";

/** What to measure. */
export interface Request {
  readonly threads: number;
  readonly samples: number;
}

/** A result, the end, or what went wrong. */
export type Reply = { readonly result: Result } | { readonly done: true } | { readonly error: string };

const reply = (message: Reply): void => postMessage(message);

addEventListener("message", async ({ data }: MessageEvent<Request>) => {
  try {
    for await (const result of compare({ createCore, matmul, RMSProp, ...data })) reply({ result });
    reply({ done: true });
  } catch (error) {
    reply({ error: (error as Error).message });
  }
});

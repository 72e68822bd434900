import { loseWorker } from "./lost-worker.mjs";
import { soak } from "./soak.mjs";

/** What runs in every runtime with threads; each takes a request and resolves to a report. */
export const programs = { loseWorker, soak };

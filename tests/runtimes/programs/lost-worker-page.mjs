// Browsers: for lost-worker.test.mjs.
import { loseWorker } from "./lost-worker.mjs";

globalThis.loseWorker = loseWorker;

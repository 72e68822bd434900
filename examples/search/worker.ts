// A thread of the search: trains what it is sent, reports each epoch, and goes on or gives up as it is told.
import { once } from "node:events";
import { parentPort, workerData } from "node:worker_threads";
import { type Choice, runTrial } from "./trial.js";

const port = parentPort!;
const { epochs } = workerData as { epochs: number };

port.on("message", async (message: { choice: Choice } | { goOn: boolean }) => {
  if (!("choice" in message)) return;
  for await (const accuracy of runTrial(message.choice, epochs)) {
    const answer = once(port, "message");
    port.postMessage({ accuracy });
    const [{ goOn }] = (await answer) as [{ goOn: boolean }];
    if (!goOn) break;
  }
  port.postMessage({ done: true });
});

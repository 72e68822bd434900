/** Milliseconds that computing may take before messages and timers get their turn. */
const TURN_MILLISECONDS = 8;

let turnBegan = 0;

/** Ends this turn of the event loop if it has lasted long enough. */
export async function breathe(): Promise<void> {
  if (performance.now() - turnBegan < TURN_MILLISECONDS) return;
  await nextTurn();
  turnBegan = performance.now();
}

/** Timers of browsers wait for 4 ms or more, a message does not. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else if (typeof MessageChannel === "function") {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(null);
    } else setTimeout(resolve, 0);
  });
}

declare const setImmediate: ((callback: () => void) => void) | undefined;

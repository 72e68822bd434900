// Browsers: what a page and a worker do with the stores, for stores.test.mjs.
import { durableObjectStore, indexedDBStore, opfsStore } from "lanewise/checkpoint";
import { use } from "./stores.mjs";

const makers = {
  indexedDB: (key, database = "lanewise-tests") => indexedDBStore(database, key),
  opfs: (key) => opfsStore(`folder/inner/${key}.safetensors`),
  localStorage: (key) => durableObjectStore(localStorage, key),
};
const run = ({ maker, key, database, ...request }) => use(() => makers[maker](key, database), request);

if (typeof document === "undefined") {
  self.onmessage = async ({ data }) => postMessage(await run(data));
} else {
  globalThis.run = run;
  globalThis.runInWorker = (request) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL("main.js", import.meta.url), { type: "module" });
      worker.onerror = (event) => reject(new Error(event.message));
      worker.onmessage = ({ data }) => {
        worker.terminate();
        resolve(data);
      };
      worker.postMessage(request);
    });
  /** Saves one pattern after the other, until the browser is killed. */
  globalThis.saveForever = async (maker, key, length) => {
    const store = makers[maker](key);
    for (let fill = 1; ; fill = (fill % 255) + 1) {
      await store.save(new Uint8Array(length).fill(fill));
      globalThis.saved = fill;
    }
  };
}

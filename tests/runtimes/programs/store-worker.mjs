// workerd: a Durable Object that keeps checkpoints in its storage, for stores.test.mjs.
import { createCoreSync, RMSProp } from "lanewise";
import { durableObjectStore, loadCheckpoint, saveCheckpoint } from "lanewise/checkpoint";
import { use } from "./stores.mjs";

/** Three steps more than what the store has, and the parameters after them. */
async function train(storage) {
  const core = createCoreSync();
  const store = durableObjectStore(storage, "training");
  const parameters = { w: core.tensor([2, 2], [1, 2, 3, 4]) };
  const optimizer = new RMSProp(core, parameters, { momentum: 0.9 });
  const bytes = await store.load();
  if (bytes) loadCheckpoint(bytes, { parameters, optimizer });
  for (let i = 0; i < 3; i++) optimizer.step({ w: parameters.w.data.map((x) => x / 2) });
  await store.save(saveCheckpoint({ parameters, optimizer }));
  return { iterations: optimizer.iterations, w: parameters.w.toArray() };
}

export class Training {
  constructor(state) {
    this.state = state;
  }

  async fetch(request) {
    const { key, failAt, abortAt, raw, ...rest } = await request.json();
    const { storage } = this.state;
    if (rest.action === "train") return Response.json(await train(storage));
    if (raw !== undefined) {
      if (raw.put) await storage.put(raw.put.key, raw.put.value);
      if (raw.delete) await storage.delete(raw.delete);
      return Response.json([...(await storage.list()).keys()]);
    }
    let puts = 0;
    const fault = async () => {
      if (puts === failAt) throw new Error("the test's fault");
      if (puts++ !== abortAt) return;
      this.state.abort("evicted by the test");
      await new Promise(() => {});
    };
    const faulty = {
      sync: () => storage.sync(),
      transaction: (run) =>
        storage.transaction((transaction) =>
          run({
            get: (keys) => transaction.get(keys),
            delete: (keys) => transaction.delete(keys),
            put: async (entries) => {
              await fault();
              return transaction.put(entries);
            },
          }),
        ),
    };
    const isFaulty = failAt !== undefined || abortAt !== undefined;
    return Response.json(await use(() => durableObjectStore(isFaulty ? faulty : storage, key), rest));
  }
}

export default {
  fetch(request, { TRAINING }) {
    return TRAINING.get(TRAINING.idFromName("one")).fetch(request);
  },
};

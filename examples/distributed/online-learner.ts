// A model that learns from what requests bring, one Durable Object each: what it has learned is in the object's storage
// before the answer is sent, so that it goes on after the object was moved or restarted, with the same bits.
import { type Core, createCoreSync, RMSProp } from "lanewise";
import { type CheckpointStore, durableObjectStore, loadCheckpoint, saveCheckpoint } from "lanewise/checkpoint";
import type { DurableObjectNamespace } from "lanewise/distributed";
import { dense, meanSquaredError, Sequential, Trainer, tanh } from "lanewise/nn";

/** What a request brings: rows of x, and of y if they are to be learned. */
interface Rows {
  x: number[];
  y?: number[];
}

/** What is used of a Durable Object's `ctx`. */
interface Context {
  readonly storage: Parameters<typeof durableObjectStore>[0];
  blockConcurrencyWhile(run: () => Promise<void>): void;
}

export class OnlineLearner {
  readonly #store: CheckpointStore;
  readonly #core: Core;
  readonly #model: Sequential;
  readonly #trainer: Trainer;

  constructor(context: Context) {
    this.#store = durableObjectStore(context.storage, "model");
    this.#core = createCoreSync();
    this.#model = new Sequential(this.#core, [dense(2, 16), tanh(), dense(16, 1)], { seed: 1 });
    this.#trainer = new Trainer(this.#model, {
      loss: meanSquaredError(),
      optimizer: (parameters) => new RMSProp(this.#core, parameters, { learningRate: 0.01 }),
    });
    // No request is answered before the state is there.
    context.blockConcurrencyWhile(async () => {
      const bytes = await this.#store.load();
      const target = { parameters: this.#model.parameters, optimizer: this.#trainer as never };
      if (bytes !== undefined) loadCheckpoint(bytes, target);
    });
  }

  async fetch(request: Request): Promise<Response> {
    const { x, y } = (await request.json()) as Rows;
    if (y === undefined) {
      const prediction = this.#model.predict(x);
      const values = [...prediction.data];
      prediction.dispose();
      return Response.json({ y: values });
    }
    const loss = this.#trainer.step(x, y);
    // One transaction: a crash leaves the old state or the new. The platform lets no other request in meanwhile, and
    // sends the answer when what was written is durable.
    await this.#store.save(saveCheckpoint({ parameters: this.#model.parameters, optimizer: this.#trainer as never }));
    return Response.json({ loss });
  }
}

export default {
  /** The path names the learner: each has a model of its own. */
  fetch(request: Request, env: { LEARNER: DurableObjectNamespace }): Promise<Response> {
    const name = new URL(request.url).pathname;
    return env.LEARNER.get(env.LEARNER.idFromName(name)).fetch(request);
  },
};

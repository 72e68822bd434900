// A model that learns from what requests bring, one Durable Object each: what it has learned is in the object's storage
// before the answer is sent, so that it goes on after the object was moved or restarted, with the same bits.
import { type Core, createCoreSync, RMSProp } from "lanewise";
import { loadCheckpoint, saveCheckpoint } from "lanewise/checkpoint";
import type { DurableObjectNamespace, DurableObjectState } from "lanewise/distributed";
import { dense, meanSquaredError, Sequential, Trainer, tanh } from "lanewise/nn";

/** What a request brings: rows of x, and of y if they are to be learned. */
interface Rows {
  x: number[];
  y?: number[];
}

/** SQLite rows have up to 2 MB. */
const PART_BYTES = 1_000_000;

export class OnlineLearner {
  readonly #sql: DurableObjectState["storage"]["sql"];
  readonly #core: Core;
  readonly #model: Sequential;
  readonly #trainer: Trainer;

  constructor(state: DurableObjectState, env: { BACKEND?: "js" } = {}) {
    this.#sql = state.storage.sql;
    this.#core = createCoreSync({ backend: env.BACKEND ?? "auto" });
    this.#model = new Sequential(this.#core, [dense(2, 16), tanh(), dense(16, 1)], { seed: 1 });
    this.#trainer = new Trainer(this.#model, {
      loss: meanSquaredError(),
      optimizer: (parameters) => new RMSProp(this.#core, parameters, { learningRate: 0.01 }),
    });
    this.#sql.exec("CREATE TABLE IF NOT EXISTS state (part INTEGER PRIMARY KEY, bytes BLOB NOT NULL)");
    this.#load();
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
    this.#save();
    // The platform holds the answer back until what was written is durable.
    return Response.json({ loss });
  }

  #save(): void {
    const bytes = saveCheckpoint({ parameters: this.#model.parameters, optimizer: this.#trainer as never });
    // One event of the object is one transaction: a crash leaves all of the old state or all of the new.
    this.#sql.exec("DELETE FROM state");
    for (let at = 0; at < bytes.length; at += PART_BYTES) {
      const part = bytes.slice(at, at + PART_BYTES).buffer as ArrayBuffer;
      this.#sql.exec("INSERT INTO state VALUES (?, ?)", at / PART_BYTES, part);
    }
  }

  #load(): void {
    const rows = this.#sql.exec("SELECT bytes FROM state ORDER BY part").toArray();
    if (rows.length === 0) return;
    const parts = rows.map(({ bytes }) => new Uint8Array(bytes as ArrayBuffer));
    const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    loadCheckpoint(bytes, { parameters: this.#model.parameters, optimizer: this.#trainer as never });
  }
}

export default {
  /** The path names the learner: each has a model of its own. */
  fetch(request: Request, env: { LEARNER: DurableObjectNamespace }): Promise<Response> {
    const name = new URL(request.url).pathname;
    return env.LEARNER.get(env.LEARNER.idFromName(name)).fetch(request);
  },
};

import { unexpected } from "../../checks.js";
import { GroupError } from "../errors.js";
import type { PromisedStore, Transport } from "./transport.js";

/** What is used of a `NatsConnection` of `@nats-io/nats-core`. */
export interface NatsConnection {
  readonly info?: { readonly max_payload: number };
  publish(subject: string, payload?: Uint8Array): void;
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: { readonly data: Uint8Array }) => void },
  ): { unsubscribe(): void };
  flush(): Promise<void>;
  isClosed(): boolean;
  closed(): Promise<unknown>;
}

/** Where a run's register and checkpoints are kept on the server. */
export interface NatsStorageOptions {
  /** `"file"` (default) survives a restart of the server. */
  storage?: "file" | "memory";
  /** Servers of a cluster that keep a copy, 1 to 5; default 1. */
  replicas?: number;
}

/** Packets beyond this gain nothing, and servers are asked to keep payloads below 1 MB by default. */
const PACKET_BYTES = 512 * 1024;

/** JetStream's answers to a write whose expected revision is not the last one. */
const WRONG_LAST_SEQUENCE: readonly unknown[] = [10071, 10164];

/** A run on NATS: messages by core NATS, the register in a key-value bucket, checkpoints in an object store. */
export async function natsTransport(
  connection: NatsConnection,
  run: string,
  { storage = "file", replicas = 1 }: NatsStorageOptions,
): Promise<Transport> {
  if (typeof connection?.publish !== "function" || typeof connection.subscribe !== "function") {
    throw unexpected("connection", connection, "a NATS connection, from connect() or wsconnect()");
  }
  const missing = (cause: unknown) => {
    throw new GroupError("@nats-io/kv and @nats-io/obj cannot be imported; install them beside lanewise", { cause });
  };
  const [{ Kvm }, { Objm }] = await Promise.all([
    import("@nats-io/kv").catch(missing),
    import("@nats-io/obj").catch(missing),
  ]);
  const bucket = `lanewise_${run}`;
  const options = { storage, replicas } as const;
  const whole = connection as never; // it is more than what is declared above
  const [kv, objects] = await Promise.all([
    new Kvm(whole).create(bucket, { ...options, history: 1 }),
    new Objm(whole).create(bucket, options),
  ]);
  const text = new TextEncoder();
  const store: PromisedStore = {
    async read(key) {
      const entry = await kv.get(key);
      return entry === null ? undefined : { value: new TextDecoder().decode(entry.value), revision: entry.revision };
    },
    async write(key, value, revision) {
      try {
        return await kv.put(key, text.encode(value), { previousSeq: revision });
      } catch (error) {
        if (WRONG_LAST_SEQUENCE.includes((error as { code?: unknown }).code)) return "conflict";
        throw error;
      }
    },
    async putBlob(name, bytes) {
      await objects.putBlob({ name }, bytes);
    },
    async getBlob(name) {
      return (await objects.getBlob(name)) ?? undefined;
    },
    async deleteBlob(name) {
      await objects.delete(name);
    },
  };
  const subject = (to: string | null) => `lanewise.${run}.${to === null ? "all" : `to.${to}`}`;
  const subscriptions: { unsubscribe(): void }[] = [];
  return {
    packetBytes: Math.min(PACKET_BYTES, connection.info?.max_payload ?? PACKET_BYTES),
    store,
    async listen(id, receive) {
      const callback = (error: Error | null, { data }: { readonly data: Uint8Array }) => {
        if (error === null) receive(data);
      };
      for (const to of [null, id]) subscriptions.push(connection.subscribe(subject(to), { callback }));
      await connection.flush();
    },
    publish(to, packet) {
      // While the client reconnects it keeps what is published, or refuses it: lost packets are sent again.
      if (connection.isClosed()) return;
      try {
        connection.publish(subject(to), packet);
      } catch {}
    },
    closed: connection.closed().then((error) => (error instanceof Error ? error : undefined)),
    async close() {
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
}

import type { Group } from "./group.js";
import { checkGroupOptions, createMemberId, type GroupOptions, RemoteGroup } from "./remote-group.js";
import { type DurableObjectOptions, DurableObjectTransport } from "./transports/durable-object/client.js";
import { type NatsConnection, type NatsStorageOptions, natsTransport } from "./transports/nats.js";

/**
 * Joins a run on a NATS server with JetStream: the members that use the same name of a run on the same account.
 *
 * The server keeps the run's register in the key-value bucket `lanewise_<run>`, its checkpoints in the object store of
 * that name; messages go through the subjects `lanewise.<run>.>`. Needs `@nats-io/kv` and `@nats-io/obj`.
 *
 * @param connection from `connect` of `@nats-io/transport-node`, or `wsconnect` of `@nats-io/nats-core`, with
 *   `maxReconnectAttempts: -1` so that it outlives a restart of the server, and `noEcho: true` so that the server does
 *   not send a member its own messages back; it stays open when the group is left
 * @throws OptionError, GroupError
 * @example
 * const group = await joinGroup(await connect({ servers: "nats://127.0.0.1:4222", noEcho: true }), { run: "digits" });
 */
export async function joinGroup(
  connection: NatsConnection,
  options: GroupOptions & NatsStorageOptions,
): Promise<Group> {
  checkGroupOptions(options, ["storage", "replicas"]);
  return new RemoteGroup(await natsTransport(connection, options.run, options), options, createMemberId(options));
}

/**
 * Joins a run on a Cloudflare Durable Object of the class `GroupHub`, by WebSocket: for browsers without a NATS server.
 *
 * @param url of the Worker that calls `routeToHub`, `wss:` or `ws:`; what it has after `?` is kept, for instance a token
 * @throws OptionError; GroupError if it cannot be reached
 * @example
 * const group = await joinDurableObject("wss://training.example.workers.dev", { run: "digits" });
 */
export async function joinDurableObject(
  url: string | URL,
  options: GroupOptions & DurableObjectOptions,
): Promise<Group> {
  checkGroupOptions(options, ["WebSocket"]);
  const id = createMemberId(options);
  const target = new URL(url);
  target.searchParams.set("run", options.run);
  target.searchParams.set("member", id);
  const transport = new DurableObjectTransport(target, options);
  await transport.connect();
  return new RemoteGroup(transport, options, id);
}

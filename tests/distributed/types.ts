// Compiled, not run: real connections are what joinGroup takes.
import { wsconnect } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { joinGroup } from "../../src/distributed/index.js";

export async function join(): Promise<void> {
  const tcp = await joinGroup(await connect({ servers: "nats://127.0.0.1" }), {
    run: "a",
    storage: "memory",
    replicas: 3,
  });
  const websocket = await joinGroup(await wsconnect({ servers: "ws://127.0.0.1" }), { run: "a", lease: 1000 });
  tcp.on("resynchronised", ({ step }) => step.toFixed());
  // @ts-expect-error: an event that does not exist
  websocket.on("gone", () => {});
}

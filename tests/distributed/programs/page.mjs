// A member in a page: window.train(request) resolves with what it came to.

import { wsconnect } from "@nats-io/nats-core";
import { joinDurableObject, joinGroup } from "lanewise/distributed";
import { trainTask } from "./task.mjs";

window.train = async ({ connection, hub, run, group: options, task }) => {
  const nats = hub === undefined ? await wsconnect({ maxReconnectAttempts: -1, ...connection }) : undefined;
  const group =
    nats === undefined ? await joinDurableObject(hub, { run, ...options }) : await joinGroup(nats, { run, ...options });
  const result = await trainTask(group, task);
  await group.leave();
  await nats?.close();
  return result;
};

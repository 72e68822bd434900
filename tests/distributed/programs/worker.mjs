// A Worker: trains as a member when it is asked to; and the hub of runs without a NATS server.

import { wsconnect } from "@nats-io/nats-core";
import { GroupHub, joinDurableObject, joinGroup, routeToHub } from "lanewise/distributed";
import { trainTask } from "./task.mjs";

export { GroupHub };

export default {
  async fetch(request, env) {
    if (request.headers.get("upgrade") === "websocket") return routeToHub(request, env.HUB);
    const { connection, hub, run, group: options, task } = await request.json();
    try {
      const nats = hub === undefined ? await wsconnect({ maxReconnectAttempts: -1, ...connection }) : undefined;
      const group =
        nats === undefined
          ? await joinDurableObject(hub, { run, ...options })
          : await joinGroup(nats, { run, ...options });
      const result = await trainTask(group, task);
      await group.leave();
      await nats?.close();
      return Response.json({ result });
    } catch (error) {
      return Response.json({ error: error.stack });
    }
  },
};

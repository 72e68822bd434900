// A member in a process of its own: node member.mjs '{"servers":…,"run":…,"task":{…}}'. Reports in lines of JSON.
import { LocalGroup, joinGroup } from "lanewise/distributed";
import { connect } from "@nats-io/transport-node";
import { trainTask } from "./task.mjs";

const request = JSON.parse(process.argv[2]);
const say = (message) => console.log(JSON.stringify(message));
const { connection, run, group: options, task } = request;

try {
  const nats = run === undefined ? undefined : await connect({ maxReconnectAttempts: -1, reconnectTimeWait: 100, ...connection });
  const group = nats === undefined ? new LocalGroup() : await joinGroup(nats, { run, ...options });
  for (const event of ["joined", "left", "leader", "resynchronised", "storage"]) {
    group.on(event, (value) => say({ event, value: value ?? null, id: group.id }));
  }
  const controller = new AbortController();
  process.on("SIGTERM", () => controller.abort(new Error("told to leave")));
  let steps = 0;
  const onProgress = ({ epoch, batch, members }) => say({ step: ++steps, epoch, batch, members: members.length });
  const result = await trainTask(group, { ...task, onProgress, signal: controller.signal });
  say({ result });
  await group.leave();
  await nats?.close();
  process.exit(0);
} catch (error) {
  say({ error: error.message, name: error.name });
  process.exit(1);
}

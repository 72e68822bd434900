// A member in a process of its own: node member.mjs '{"connection":…,"run":…,"task":{…}}'. Reports in lines of JSON.
import process from "node:process";
import { connect } from "@nats-io/transport-node";
import { joinGroup, LocalGroup } from "lanewise/distributed";
import { trainTask } from "./task.mjs";

const { connection, run, group: options, task, dieAt } = JSON.parse(process.argv[2]);
const say = (message) => console.log(JSON.stringify(message));

/** What is sent: the type of a message of the group, "register" or "checkpoint". */
function kindOf(subject, payload) {
  if (subject.startsWith("$KV.") && subject.endsWith(".head")) return "register";
  if (subject.startsWith("$O.") && subject.includes(".C.")) return "checkpoint";
  if (!subject.startsWith("lanewise.")) return undefined;
  // After the packet's 28 bytes and the header's length.
  return /^\{"type":"(\w+)"/.exec(new TextDecoder().decode(payload.subarray(32, 64)))?.[1];
}

/** The connection, but the process dies before or after it sends something for the n-th time. */
function mortal(nats, { what, count, when }) {
  let seen = 0;
  const guarded =
    (send) =>
    (subject, payload, ...more) => {
      const isIt = kindOf(subject, payload) === what && ++seen === count;
      if (isIt && when === "before") process.kill(process.pid, "SIGKILL");
      const result = send.call(nats, subject, payload, ...more);
      // After: what was sent has left the process.
      if (isIt) void nats.flush().then(() => process.kill(process.pid, "SIGKILL"));
      return result;
    };
  return new Proxy(nats, {
    get(target, name) {
      if (name === "publish" || name === "request") return guarded(target[name]);
      const value = target[name];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

try {
  const settings = { maxReconnectAttempts: -1, reconnectTimeWait: 100, ...connection };
  const nats = run === undefined ? undefined : await connect(settings);
  const connected = dieAt === undefined ? nats : mortal(nats, dieAt);
  const group = nats === undefined ? new LocalGroup() : await joinGroup(connected, { run, ...options });
  for (const event of ["joined", "left", "leader", "resynchronised", "storage"]) {
    group.on(event, (value) => say({ event, value: value ?? null, id: group.id }));
  }
  const controller = new AbortController();
  process.on("SIGTERM", () => controller.abort(new Error("told to leave")));
  const onProgress = ({ epoch, batch, batches, members }) => {
    say({ step: (epoch - 1) * batches + batch, members: members.length });
  };
  const started = performance.now();
  const result = await trainTask(group, { ...task, onProgress, signal: controller.signal });
  say({ result: { ...result, milliseconds: performance.now() - started, id: group.id } });
  await group.leave();
  await nats?.close();
  process.exit(0);
} catch (error) {
  say({ error: error.message, name: error.name });
  process.exit(1);
}

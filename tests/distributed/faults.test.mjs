import { once } from "node:events";
import { connect as connectTcp, createServer } from "node:net";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localDigest, MemberProcess } from "./helpers/members.mjs";
import { NatsServer } from "./helpers/server.mjs";

const TASK = { slow: 15, epochs: 4 };
const group = { lease: 600, checkpointEvery: 4 };
let server;
let expected;
let runs = 0;

beforeAll(async () => {
  [server, expected] = await Promise.all([NatsServer.start(), localDigest({ epochs: 4 })]);
});

afterAll(() => server?.stop());

const leads = ({ event, value, id }) => event === "leader" && value === id;

/** A run of its own: `start` adds a member. */
function createRun(on = server) {
  const run = `run-${++runs}`;
  const members = [];
  const start = (more = {}) => {
    const member = new MemberProcess("node", { connection: on.tcp, run, group, task: TASK, ...more });
    members.push(member);
    return member;
  };
  const digests = async () => {
    const living = members.filter(({ process }) => process.signalCode !== "SIGKILL");
    return Promise.all(living.map(async (member) => (await member.result()).digest));
  };
  return { run, members, start, digests };
}

describe("a leader that dies", () => {
  // What it sends for the n-th time when it is killed: assignments, the sum, the register, a checkpoint's bytes.
  const phases = [
    ["lead", 2],
    ["lead", 9],
    ["root", 1],
    ["root", 6],
    ["register", 1],
    ["register", 5],
    ["register", 8],
    ["checkpoint", 1],
  ];
  it.each(phases.flatMap(([what, count]) => ["before", "after"].map((when) => ({ what, count, when }))))(
    "$when it sends $what number $count",
    async (dieAt) => {
      const { start } = createRun();
      const leader = start({ dieAt });
      // The others come when it leads, or is dead already.
      await Promise.race([leader.until(leads), leader.exit]).catch(() => {});
      const others = [start(), start()];
      const results = await Promise.all(others.map((member) => member.result()));
      expect(results.map(({ digest }) => digest)).toEqual([expected, expected]);
      await leader.exit;
      expect(leader.process.signalCode).toBe("SIGKILL");
    },
  );

  it("while the others' sums arrive", async () => {
    const { start, digests } = createRun();
    const leader = start();
    await leader.until(leads);
    start();
    start();
    await leader.until(({ step, members }) => step > 4 && members === 3);
    await leader.kill();
    expect(await digests()).toEqual([expected, expected]);
  });
});

describe("the run survives", () => {
  it("members killed one after the other, and new ones", async () => {
    const { start, digests, members } = createRun();
    start({ task: { ...TASK, slow: 40 } });
    for (let i = 0; i < 3; i++) {
      const next = start({ task: { ...TASK, slow: 40 } });
      await next.until(({ step }) => step !== undefined);
      await members[i].kill();
    }
    expect(await digests()).toEqual([expected]);
    expect(members.slice(0, 3).map(({ process }) => process.signalCode)).toEqual(["SIGKILL", "SIGKILL", "SIGKILL"]);
  });

  it("all members killed: resume goes on from the last checkpoint to the same digest", async () => {
    const { start, members, digests } = createRun();
    start();
    start();
    await members[0].until(({ step }) => step >= 11);
    await Promise.all(members.map((member) => member.kill()));
    const later = start({ task: { ...TASK, resume: true } });
    expect(await digests()).toEqual([expected]);
    const resynchronised = later.messages.find(({ event }) => event === "resynchronised");
    expect(resynchronised.value.step).toBeGreaterThanOrEqual(4);
  });

  it("a member that pauses for longer than its lease, and the leader", async () => {
    const { start, members, digests } = createRun();
    const first = start();
    await first.until(leads);
    start();
    start();
    await first.until(({ step, members: count }) => step > 2 && count === 3);
    for (const paused of [members[1], first]) {
      paused.process.kill("SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, 1500));
      paused.process.kill("SIGCONT");
    }
    expect(await digests()).toEqual([expected, expected, expected]);
  });

  it("the server killed and started again", async () => {
    const own = await NatsServer.start();
    try {
      const { start, members, digests } = createRun(own);
      start();
      start();
      await members[0].until(({ step }) => step >= 5);
      await own.kill();
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await own.restart();
      expect(await digests()).toEqual([expected, expected]);
    } finally {
      await own.stop();
    }
  });

  it("a link of 60 ms", async () => {
    const proxy = createServer((client) => {
      const upstream = connectTcp(server.port, "127.0.0.1");
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ]) {
        from.on("data", (data) => setTimeout(() => to.writable && to.write(data), 60));
        from.on("error", () => to.destroy());
        from.on("close", () => setTimeout(() => to.destroy(), 60));
      }
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const { start, digests } = createRun();
    start();
    start({ connection: { servers: `nats://127.0.0.1:${proxy.address().port}` } });
    expect(await digests()).toEqual([expected, expected]);
    proxy.close();
  });

  it("messages that come twice, late and damaged, and messages of strangers", async () => {
    const { run, start, members, digests } = createRun();
    const rogue = await connect(server.tcp);
    const counts = { again: 0, damaged: 0, foreign: 0 };
    const mine = new Set();
    rogue.subscribe(`lanewise.${run}.>`, {
      callback: (_, { subject, data }) => {
        const key = Buffer.from(data).toString("latin1");
        if (mine.delete(key)) return;
        const send = (bytes, what) => {
          counts[what]++;
          mine.add(Buffer.from(bytes).toString("latin1"));
          if (!rogue.isClosed()) rogue.publish(subject, bytes);
        };
        setTimeout(() => send(data, "again"), 50 * Math.random());
        const damaged = Uint8Array.from(data);
        damaged[Math.floor(Math.random() * damaged.length)] ^= 1 + Math.floor(Math.random() * 255);
        send(damaged, "damaged");
        send(new TextEncoder().encode("hello"), "foreign");
      },
    });
    start();
    start();
    expect(await digests()).toEqual([expected, expected]);
    await rogue.close();
    expect(counts.damaged).toBeGreaterThan(20);
    const results = members.map(({ messages }) => messages.find(({ result }) => result).result);
    for (const { traffic } of results) expect(traffic.packetsDamaged).toBeGreaterThan(20);
  });

  it("a JetStream that is full: the run waits, says so, and goes on when there is room", async () => {
    const own = await NatsServer.start({ maxStore: "200KB" });
    try {
      const nats = await connect(own.tcp);
      const { jetstreamManager, jetstream } = await import("@nats-io/jetstream");
      const manager = await jetstreamManager(nats);
      await manager.streams.add({ name: "filler", subjects: ["filler"] });
      const { start, members, digests } = createRun(own);
      start();
      start();
      await members[0].until(({ step }) => step >= 3);
      const stream = jetstream(nats);
      let refused;
      while (refused === undefined) {
        refused = await stream.publish("filler", new Uint8Array(1000)).then(
          () => undefined,
          (error) => error,
        );
      }
      expect(refused.message).toMatch(/insufficient|resource|maximum/i);
      await Promise.any(
        members.map((member) => member.until(({ event, value }) => event === "storage" && value !== null)),
      );
      await manager.streams.purge("filler");
      expect(await digests()).toEqual([expected, expected]);
      await nats.close();
    } finally {
      await own.stop();
    }
  });
});

describe("a divergence", () => {
  it("stops the run and says who, when and where; nobody can join it any more", async () => {
    const { run, start } = createRun();
    const options = { ...group, compareEvery: 3, startWith: 2 };
    const members = [start({ group: options, task: { ...TASK, spoilAt: 5 } }), start({ group: options })];
    const where = String.raw`after step \d+ member member-\w+ differs from member member-\w+ in 2\.weight`;
    const message = new RegExp(`run "${run}" was stopped: ${where}`);
    for (const member of members) await expect(member.result()).rejects.toThrow(message);
    expect(members.map(({ messages }) => messages.at(-1).name)).toEqual(["DivergenceError", "DivergenceError"]);
    await expect(start().result()).rejects.toThrow(message);
  });
});

describe("refused", () => {
  it.each([
    ["another model", { hidden: 25 }, /model\.layers\[0\]\.outputs is 25 here, expected 24 as in the run/],
    ["other start values", { seed: 2 }, /model\.parameters\.0\.weight is "[0-9a-f]{16}" here, expected "[0-9a-f]{16}"/],
    ["another learning rate", { learningRate: 0.02 }, /optimizer.*is 0\.02 here, expected 0\.01 as in the run/],
    [
      "another number of micro-batches",
      { microBatches: 4 },
      /options\.microBatches is 4 here, expected 8 as in the run/,
    ],
    ["other data", { rows: 204 }, /data\.description is "spirals 204" here, expected "spirals 203"/],
  ])("%s, and the run goes on", async (_, difference, message) => {
    const { start, members } = createRun();
    const good = start();
    await good.until(({ step }) => step >= 1);
    const bad = start({ task: { ...TASK, ...difference } });
    await expect(bad.result()).rejects.toThrow(message);
    expect((await good.result()).digest).toBe(expected);
    expect(members[1].messages.at(-1).name).toBe("GroupError");
  });

  it("resume of a run that nobody has started", async () => {
    const { start, run } = createRun();
    const message = `run "${run}" does not exist, expected one to resume`;
    await expect(start({ task: { ...TASK, resume: true } }).result()).rejects.toThrow(message);
  });
});

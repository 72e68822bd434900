// Kills, pauses, departures and joins at random times on a real server, each schedule from a seed:
// node schedules.mjs --schedules 200 [--first 0] [--parallel 3]. What is drawn from a seed is the plan; when processes get
// their turn is up to the machine.
import process from "node:process";
import { parseArgs } from "node:util";
import { localDigest, MemberProcess } from "./helpers/members.mjs";
import { NatsServer } from "./helpers/server.mjs";

/** Uniform numbers in [0, 1) from a seed (SplitMix32). */
function randomSource(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const TASK = { epochs: 5, slow: 12 };

/** Runs one schedule; resolves with what happened, rejects if a digest is not that of one process. */
export async function runSchedule(server, seed, expected) {
  const random = randomSource(seed);
  const below = (n) => Math.floor(random() * n);
  const request = {
    connection: server.tcp,
    run: `schedule-${seed}-${process.pid}`,
    group: { lease: 500 + below(500), checkpointEvery: 2 + below(6) },
    task: { ...TASK, microBatches: 8 },
  };
  const members = [];
  const actions = [];
  const living = () => members.filter(({ isAlive, isLeaving }) => isAlive && isLeaving !== true);
  const pick = () => living()[below(living().length)];
  const start = () => {
    actions.push("join");
    if (living().length < 4) members.push(new MemberProcess("node", request));
  };
  const kill = async (member) => {
    if (member === undefined) return;
    member.isLeaving = true;
    await member.kill();
  };
  const isLeader = ({ messages }) => {
    const last = messages.findLast(({ event }) => event === "leader");
    return last !== undefined && last.value === last.id;
  };
  const DEEDS = {
    join: start,
    kill: () => kill(pick()),
    "kill the leader": () => kill(living().find(isLeader)),
    leave: () => {
      const member = pick();
      if (member === undefined) return;
      member.isLeaving = true;
      member.process.kill("SIGTERM");
    },
    pause: async () => {
      const member = pick();
      if (member === undefined) return;
      member.process.kill("SIGSTOP");
      await sleep(200 + below(1300));
      member.process.kill("SIGCONT");
    },
    "kill all": async () => {
      await Promise.all(living().map(kill));
      start();
    },
  };
  const names = ["join", "join", "kill", "kill the leader", "leave", "pause", "kill all"];
  for (let i = 1 + below(3); i > 0; i--) start();
  for (let i = 2 + below(4); i > 0; i--) {
    await sleep(300 + below(900));
    const name = names[below(names.length)];
    actions.push(name);
    await DEEDS[name]();
  }
  if (living().length === 0) start();
  const results = await Promise.all(
    living().map(async (member) => {
      const { digest } = await member.result();
      if (digest !== expected) throw new Error(`a member has ${digest}, expected ${expected}`);
      return digest;
    }),
  );
  if (results.length === 0) throw new Error("no member has reached the end");
  await Promise.all(members.map(({ exit }) => exit));
  return actions;
}

/** Runs schedules, some at a time; resolves with those that failed. */
export async function runSchedules(first, count, parallel, report = () => {}) {
  const server = await NatsServer.start();
  const expected = await localDigest({ ...TASK, microBatches: 8, slow: 0 });
  const failures = [];
  let next = first;
  const worker = async () => {
    while (next < first + count) {
      const seed = next++;
      try {
        report(seed, await runSchedule(server, seed, expected));
      } catch (error) {
        failures.push(`schedule ${seed}: ${error.message}`);
        report(seed, [`FAILED: ${error.message}`]);
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  await server.stop();
  return failures;
}

if (process.argv[1]?.endsWith("schedules.mjs")) {
  const text = { type: "string" };
  const { values } = parseArgs({ options: { schedules: text, first: text, parallel: text } });
  const count = Number(values.schedules ?? 20);
  const report = (seed, actions) => console.log(`${seed}: ${actions.join(", ")}`);
  const failures = await runSchedules(Number(values.first ?? 0), count, Number(values.parallel ?? 3), report);
  for (const failure of failures) console.error(failure);
  console.log(`${count} schedules, ${failures.length} failures`);
  process.exit(failures.length === 0 && count > 0 ? 0 : 1);
}

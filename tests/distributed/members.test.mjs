import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Page, Worker } from "./helpers/bundles.mjs";
import { localDigest, MemberProcess } from "./helpers/members.mjs";
import { NatsServer } from "./helpers/server.mjs";

const TASK = { slow: 10, epochs: 3 };
const group = { lease: 1500, checkpointEvery: 5 };
let plain;
let secure;
let expected;

beforeAll(async () => {
  [plain, secure, expected] = await Promise.all([
    NatsServer.start(),
    NatsServer.start({ secure: true }),
    localDigest({ epochs: 3 }),
  ]);
});

afterAll(async () => {
  await Promise.all([plain?.stop(), secure?.stop()]);
});

/** Starts processes that are there together, and returns what each came to. */
async function trainTogether(run, server, runtimes, task = TASK) {
  const members = runtimes.map((runtime) => new MemberProcess(runtime, { connection: server.tcp, run, group, task }));
  return Promise.all(members.map((member) => member.result()));
}

describe("any number of members has the digest of one process", () => {
  it.each([1, 2, 3, 5])("%i Node processes", async (count) => {
    const results = await trainTogether(`count-${count}`, plain, new Array(count).fill("node"));
    expect(results.map(({ digest }) => digest)).toEqual(new Array(count).fill(expected));
  });

  it.each([1, 3, 6, 16])("%i micro-batches, with rows that do not divide evenly", async (microBatches) => {
    const task = { ...TASK, microBatches, batchSize: 25 };
    const [alone, results] = await Promise.all([
      localDigest({ ...task, slow: 0 }),
      trainTogether(`micro-${microBatches}`, plain, ["node", "node", "node"], task),
    ]);
    expect(results.map(({ digest }) => digest)).toEqual([alone, alone, alone]);
    if (microBatches > 1) expect(alone).not.toBe(expected);
  });

  it("Node 20 and 24, Deno and Bun, over TLS with a password", async () => {
    const results = await trainTogether("mixed", secure, ["node", "node-24", "deno", "bun"]);
    expect(results.map(({ digest }) => digest)).toEqual(new Array(4).fill(expected));
    for (const { traffic } of results) expect(traffic.bytesReceived).toBeGreaterThan(0);
  });

  it("a member without the password is refused", async () => {
    const { user: _, ...connection } = secure.tcp;
    const stranger = new MemberProcess("node", { connection, run: "mixed", task: TASK });
    await expect(stranger.result()).rejects.toThrow(/authorization/i);
  });

  it("a page in Chromium, a Worker in workerd, Node, Deno and Bun", async () => {
    const [page, worker] = await Promise.all([Page.open(), Worker.start()]);
    try {
      const task = { ...TASK, epochs: 8 };
      const request = { connection: plain.websocket, run: "everywhere", group, task };
      const processes = ["node", "deno", "bun"].map((runtime) => {
        return new MemberProcess(runtime, { ...request, connection: plain.tcp });
      });
      const all = [page.train(request), worker.train(request), ...processes.map((member) => member.result())];
      const [alone, ...results] = await Promise.all([localDigest({ epochs: 8 }), ...all]);
      expect(results.map(({ digest }) => digest)).toEqual(new Array(5).fill(alone));
      for (const { traffic } of results) expect(traffic.bytesSent).toBeGreaterThan(0);
    } finally {
      await Promise.all([page.close(), worker.stop()]);
    }
  });
});

describe("DiLoCo", () => {
  it.each(["none", "bfloat16", "int8"])(
    "members that begin together have the digest of one process, with %s",
    async (compression) => {
      const task = { rows: 192, batchSize: 8, epochs: 4, diloco: { slots: 4, localSteps: 3, compression } };
      const request = { connection: plain.tcp, run: `diloco-${compression}`, group: { ...group, startWith: 2 }, task };
      const members = [0, 1].map(() => new MemberProcess("node", request));
      const [alone, ...results] = await Promise.all([localDigest(task), ...members.map((member) => member.result())]);
      expect(results.map(({ digest }) => digest)).toEqual([alone, alone]);
      for (const { messages } of members) expect(messages.find(({ step }) => step === 1).members).toBe(2);
    },
  );

  it("members have the same parameters when slots move, too", async () => {
    const task = {
      rows: 192,
      batchSize: 8,
      epochs: 12,
      slow: 15,
      diloco: { slots: 4, localSteps: 3, compression: "int8" },
    };
    const start = () => new MemberProcess("node", { connection: plain.tcp, run: "diloco-moves", group, task });
    const [first, second] = [start(), start()];
    await first.until(({ step, members }) => step >= 3 && members === 2);
    const third = start();
    await third.until(({ step }) => step !== undefined);
    await first.kill();
    const results = await Promise.all([second.result(), third.result()]);
    expect(results[0].digest).toBe(results[1].digest);
  });
});

describe("a Durable Object as the hub", () => {
  it("two pages and a Worker have the digest of one process", async () => {
    const [page, other, worker] = await Promise.all([Page.open(), Page.open(), Worker.start()]);
    try {
      const request = { hub: worker.hub, run: "hub", group, task: TASK };
      const results = await Promise.all([page.train(request), other.train(request), worker.train(request)]);
      expect(results.map(({ digest }) => digest)).toEqual([expected, expected, expected]);
      // What was stored is there for whoever comes later, and nobody else's run is touched.
      const late = await page.train({ ...request, task: { ...TASK, resume: true } });
      expect(late).toMatchObject({ digest: expected, history: [] });
      await expect(page.train({ ...request, run: "another", task: { ...TASK, resume: true } })).rejects.toThrow(
        /run "another" does not exist/,
      );
    } finally {
      await Promise.all([page.close(), other.close(), worker.stop()]);
    }
  });

  it("goes on after the hub was restarted in the middle", async () => {
    const { mkdtempSync, rmSync } = await import("node:fs");
    const persist = mkdtempSync(join(tmpdir(), "lanewise-hub-"));
    const page = await Page.open();
    let worker = await Worker.start({ persist });
    const { port } = worker.url;
    try {
      const training = page.train({ hub: worker.hub, run: "restart", group, task: { ...TASK, slow: 60 } });
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await worker.stop();
      worker = await Worker.start({ persist, port: Number(port) });
      expect((await training).digest).toBe(expected);
    } finally {
      await Promise.all([page.close(), worker.stop()]);
      rmSync(persist, { recursive: true, force: true });
    }
  });
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundle } from "./helpers/bundles.mjs";

const example = fileURLToPath(new URL("../../examples/distributed/online-learner.ts", import.meta.url));
const host = fileURLToPath(new URL("helpers/host.mjs", import.meta.url));
let folder;

beforeAll(async () => {
  folder = await bundle(example, ["workerd", "worker", "browser"]);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** workerd in a process group of its own. */
async function start(persist) {
  const request = {
    folder,
    persist,
    port: 0,
    durableObjects: { LEARNER: "OnlineLearner" },
    bindings: { BACKEND: "js" },
  };
  const child = spawn(process.execPath, [host, JSON.stringify(request)], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const { url } = JSON.parse(line);
  const ask = async (learner, rows) => {
    const response = await fetch(`${url}${learner}`, { method: "POST", body: JSON.stringify(rows) });
    return response.json();
  };
  const kill = async () => {
    const exit = once(child, "exit");
    process.kill(-child.pid, "SIGKILL"); // workerd is a child of its own
    await exit;
  };
  return { ask, kill };
}

/** The product of two numbers, in batches that all differ. */
function batch(i) {
  const x = Array.from({ length: 16 }, (_, k) => Math.sin(i * 16 + k));
  return { x, y: Array.from({ length: 8 }, (_, k) => x[2 * k] * x[2 * k + 1]) };
}

describe("an online learner in a Durable Object", () => {
  it("goes on with the same bits after it was killed, twice, in the middle of a request too", async () => {
    const folders = [0, 1].map(() => mkdtempSync(join(tmpdir(), "lanewise-learner-")));
    try {
      const calm = await start(folders[0]);
      const losses = [];
      for (let i = 0; i < 30; i++) losses.push((await calm.ask("a", batch(i))).loss);
      const expected = await calm.ask("a", { x: [0.5, -0.5, 0.25, 1] });
      // Another learner of the same host knows nothing of it.
      expect(await calm.ask("b", { x: [0.5, -0.5, 0.25, 1] })).not.toEqual(expected);
      await calm.kill();

      const seen = [];
      let troubled = await start(folders[1]);
      for (let i = 0; i < 30; i++) {
        if (i === 10 || i === 20) {
          await troubled.kill();
          troubled = await start(folders[1]);
        }
        seen.push((await troubled.ask("a", batch(i))).loss);
      }
      expect(seen).toEqual(losses);
      expect(await troubled.ask("a", { x: [0.5, -0.5, 0.25, 1] })).toEqual(expected);
      expect(losses.at(-1)).toBeLessThan(losses[0]);

      // Killed while a request is under way: the state is that of before or of after it, never between.
      const before = await troubled.ask("a", { x: [0.5, -0.5, 0.25, 1] });
      const unanswered = troubled.ask("a", batch(30)).catch(() => {});
      await troubled.kill();
      await unanswered;
      troubled = await start(folders[1]);
      const after = await calmPrediction(folders[0], batch(30));
      expect([before, after]).toContainEqual(await troubled.ask("a", { x: [0.5, -0.5, 0.25, 1] }));
      await troubled.kill();
    } finally {
      for (const each of folders) rmSync(each, { recursive: true, force: true });
    }
  });
});

/** What the learner that was never disturbed predicts after one more batch. */
async function calmPrediction(persist, rows) {
  const calm = await start(persist);
  await calm.ask("a", rows);
  const prediction = await calm.ask("a", { x: [0.5, -0.5, 0.25, 1] });
  await calm.kill();
  return prediction;
}

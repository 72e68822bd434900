import { expect, it } from "vitest";
import { runSchedules } from "./schedules.mjs";

it("20 schedules of kills, pauses, departures and joins end with the digest of one process", async () => {
  const actions = [];
  const failures = await runSchedules(0, 20, 3, (_, done) => actions.push(...done));
  expect(failures).toEqual([]);
  for (const deed of ["join", "kill", "kill the leader", "leave", "pause", "kill all"]) expect(actions).toContain(deed);
}, 300_000);

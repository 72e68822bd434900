import * as lanewise from "lanewise";
import * as nn from "lanewise/nn";
import type { Contestant } from "./contestant.js";
import { deepTask } from "./deep.js";
import { CORES, contestantOf, FALLBACK } from "./library.js";

/** Makes the cores; `notes` says what each runs. One that fell back is not measured under a false name. */
export async function lanewiseContestants(): Promise<{ contestants: Contestant[]; notes: string[] }> {
  const contestants: Contestant[] = [];
  const notes: string[] = [];
  for (const { name, options, runs } of CORES) {
    const core = await lanewise.createCore(options);
    const { variant, reason } = core;
    if (runs(core)) {
      const traits = { exact: name !== "relaxed", slow: name === FALLBACK };
      const library = { ...lanewise, ...nn };
      const deep: Contestant["deep"] = (network, data) => deepTask(library, core, network, data);
      contestants.push({ ...contestantOf(library, name, core, traits), deep });
      notes.push(`${name}: ${variant} (${reason})`);
    } else {
      notes.push(`${name}: left out, it would be ${variant} (${reason})`);
      core.dispose();
    }
  }
  return { contestants, notes };
}

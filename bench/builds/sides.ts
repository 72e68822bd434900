// The processes of both builds: they live at the same time and work in turns.
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Build } from "./build.js";
import type { Answer, Request, SideOptions } from "./side.js";
import type { Pair } from "./statistics.js";

/** Whose turn is first: alternating, so that neither always follows the other. */
const ORDERS = [
  ["old", "new"],
  ["new", "old"],
] as const;

/** The two builds. */
export type Builds = Readonly<Record<"old" | "new", Build>>;

/** A fresh process for each build. */
export class Sides {
  readonly #processes: Readonly<Record<"old" | "new", ChildProcess>>;

  constructor(builds: Builds, options: Pick<SideOptions, "kinds" | "on">) {
    const start = ({ core, nn }: Build) =>
      fork(
        fileURLToPath(new URL("side.ts", import.meta.url)),
        [JSON.stringify({ core, nn, ...options } satisfies SideOptions)],
        { execArgv: ["--import", import.meta.resolve("tsx")], stdio: ["ignore", "inherit", "inherit", "ipc"] },
      );
    this.#processes = { old: start(builds.old), new: start(builds.new) };
  }

  async ready(): Promise<void> {
    await Promise.all([answerOf(this.#processes.old), answerOf(this.#processes.new)]);
  }

  /** Does a piece of work in `turns` turns of each build; `same`: whether both had the same bits. */
  async measure(place: number, turns: number): Promise<{ pairs: Pair[]; same: boolean }> {
    const { digest: before } = await this.#ask("old", { start: place });
    const { digest: after } = await this.#ask("new", { start: place });
    const pairs: Pair[] = [];
    for (let turn = 0; turn < turns; turn++) {
      const pair = { old: 0, new: 0 };
      for (const side of ORDERS[turn % 2]!) pair[side] = (await this.#ask(side, { turn: true })).milliseconds!;
      pairs.push(pair);
    }
    await this.#ask("old", { end: true });
    await this.#ask("new", { end: true });
    return { pairs, same: before === after };
  }

  async #ask(side: "old" | "new", request: Request): Promise<Answer> {
    const process = this.#processes[side];
    process.send(request);
    const answer = await answerOf(process);
    if (answer.error !== undefined) throw new Error(`the ${side} build: ${answer.error}`);
    return answer;
  }

  dispose(): void {
    for (const process of Object.values(this.#processes)) process.kill();
  }
}

async function answerOf(process: ChildProcess): Promise<Answer> {
  const controller = new AbortController();
  const { signal } = controller;
  const ended = once(process, "exit", { signal }).then(() => {
    throw new Error("a build's process ended; its message is above");
  });
  try {
    const [answer] = (await Promise.race([once(process, "message", { signal }), ended])) as [Answer];
    return answer;
  } finally {
    ended.catch(() => {});
    controller.abort();
  }
}

/** Milliseconds after importing, and after the first step, of both builds in fresh processes. */
export interface Start {
  readonly imported: Pair;
  readonly stepped: Pair;
}

/** One process for each build, alternating in order with `turn`. */
export function measureStart(builds: Builds, turn: number): Start {
  const imported = { old: 0, new: 0 };
  const stepped = { old: 0, new: 0 };
  const program = fileURLToPath(new URL("start.mjs", import.meta.url));
  for (const side of ORDERS[turn % 2]!) {
    const output = execFileSync(process.execPath, [program, builds[side].core], { encoding: "utf8" });
    const times = JSON.parse(output) as { imported: number; stepped: number };
    imported[side] = times.imported;
    stepped[side] = times.stepped;
  }
  return { imported, stepped };
}

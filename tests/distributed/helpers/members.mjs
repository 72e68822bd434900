// Members in processes of their own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const modules = fileURLToPath(new URL("../node_modules/", import.meta.url));
const program = fileURLToPath(new URL("../programs/member.mjs", import.meta.url));

const COMMANDS = {
  node: [process.execPath],
  "node-24": [join(modules, "node-24/bin/node")],
  deno: [join(modules, "@deno/linux-x64-glibc/deno"), "run", "--quiet", "--allow-all", "--node-modules-dir=manual"],
  bun: [join(modules, "@oven/bun-linux-x64/bin/bun")],
};

/** A member in a process; `report` is what it said. */
export class MemberProcess {
  constructor(runtime, request) {
    const [command, ...args] = COMMANDS[runtime];
    this.runtime = runtime;
    this.messages = [];
    this.waiting = [];
    this.process = spawn(command, [...args, program, JSON.stringify(request)], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
    });
    this.errors = "";
    this.process.stderr.on("data", (data) => {
      this.errors = (this.errors + data).slice(-5000);
    });
    createInterface({ input: this.process.stdout }).on("line", (line) => {
      this.messages.push(line.startsWith("{") ? JSON.parse(line) : { line });
      for (const check of this.waiting) check();
    });
    this.exit = once(this.process, "exit").then(() => {
      for (const check of this.waiting) check();
    });
  }

  get isAlive() {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Steps that it has made. */
  get step() {
    return this.messages.findLast(({ step }) => step !== undefined)?.step ?? 0;
  }

  /** Resolves when a message of this kind has come; rejects if the process ends before. */
  until(matches, what = "a message") {
    return new Promise((resolve, reject) => {
      const check = () => {
        const found = this.messages.find(matches);
        if (found !== undefined) resolve(found);
        else if (!this.isAlive) reject(new Error(`${this.runtime} ended without ${what}: ${this.describe()}`));
        else return;
        this.waiting = this.waiting.filter((other) => other !== check);
      };
      this.waiting.push(check);
      check();
    });
  }

  /** What it came to. */
  async result() {
    const { result, error } = await this.until((message) => message.result ?? message.error, "a result");
    if (error !== undefined) throw new Error(error);
    await this.exit;
    return result;
  }

  kill() {
    this.process.kill("SIGKILL");
    return this.exit;
  }

  describe() {
    const last = this.messages.slice(-5).map((message) => JSON.stringify(message));
    return `${last.join(" ")}\n${this.errors}`;
  }
}

/** The digest that one process comes to, without a server. */
export async function localDigest(task) {
  const { digest } = await new MemberProcess("node", { task }).result();
  return digest;
}

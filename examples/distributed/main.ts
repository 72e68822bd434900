// Three workers train one network through a NATS server; one is killed, another joins; the parameters that come out are,
// bit for bit, those of one process.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const modules = fileURLToPath(new URL("nats/node_modules/", import.meta.url));
const command = join(modules, "lanewise/dist/cli/lanewise.js");
const EPOCHS = 12;

/** A line of JSON that a worker prints. */
interface Line {
  event: string;
  id?: string;
  epoch?: number;
  loss?: number;
  members?: string[];
  step?: number;
  digest?: string;
  traffic?: { bytesSent: number; bytesReceived: number; waiting: number };
}

class Worker {
  readonly lines: Line[] = [];
  readonly #process: ChildProcess;
  readonly exit: Promise<unknown>;

  constructor(...args: string[]) {
    const all = ["worker", "--json", "--epochs", `${EPOCHS}`, ...args];
    this.#process = spawn(process.execPath, [command, ...all], { stdio: ["ignore", "pipe", "inherit"] });
    createInterface({ input: this.#process.stdout! }).on("line", (line) => this.lines.push(JSON.parse(line)));
    this.exit = once(this.#process, "close");
  }

  find(event: string): Line | undefined {
    return this.lines.findLast((line) => line.event === event);
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.#process.exitCode !== null) throw new Error("a worker has ended too early");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  kill(): Promise<unknown> {
    this.#process.kill("SIGKILL");
    return this.exit;
  }
}

/** A server with JetStream, on a port that is free. */
async function startServer(): Promise<{ url: string; stop(): void }> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { port: number };
  probe.close();
  const store = mkdtempSync(join(tmpdir(), "lanewise-example-"));
  const args = ["--addr", "127.0.0.1", "--port", `${port}`, "--jetstream", "--store_dir", store];
  const server = spawn(join(modules, ".nats/nats-server"), args, { stdio: "ignore" });
  for (let isOpen = false; !isOpen; ) {
    isOpen = await new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => setTimeout(resolve, 50, false));
      socket.on("connect", () => socket.destroy());
    });
  }
  const stop = () => {
    server.kill();
    rmSync(store, { recursive: true, force: true });
  };
  return { url: `nats://127.0.0.1:${port}`, stop };
}

const server = await startServer();
try {
  const start = (name: string) =>
    new Worker("--nats", server.url, "--run", "example", "--lease", "600", "--name", name);
  const workers = ["anna", "ben", "carol"].map(start);
  const [anna, ben] = workers as [Worker, Worker, Worker];
  await ben.until(() => (ben.find("epoch")?.epoch ?? 0) >= 2 || (anna.find("epoch")?.epoch ?? 0) >= 3);
  console.log(`after epoch ${anna.find("epoch")?.epoch}: ben is killed, dora joins`);
  await ben.kill();
  workers.push(start("dora"));
  await Promise.all(workers.map(({ exit }) => exit));
  const alone = new Worker("--local");
  await alone.exit;

  console.log("\nworker    epochs seen   loss     sent   received   waited   digest of the parameters");
  for (const worker of [...workers, alone]) {
    const epochs = worker.lines.filter(({ event }) => event === "epoch");
    const { digest = "killed", traffic } = worker.find("end") ?? {};
    const megabytes = (bytes = 0) => `${(bytes / 1e6).toFixed(1)} MB`.padStart(9);
    const cells = [
      (worker.find("start")?.id ?? "").replace(/-\w+$/, "").padEnd(8),
      `${epochs.length}`.padStart(12),
      (epochs.at(-1)?.loss?.toFixed(4) ?? "").padStart(9),
      megabytes(traffic?.bytesSent),
      megabytes(traffic?.bytesReceived).padStart(11),
      `${((traffic?.waiting ?? 0) / 1000).toFixed(1)} s`.padStart(9),
      `  ${digest}`,
    ];
    console.log(cells.join(""));
  }
  const expected = alone.find("end")?.digest;
  const digests = workers.filter((worker) => worker !== ben).map((worker) => worker.find("end")?.digest);
  const isSame = expected !== undefined && digests.every((digest) => digest === expected);
  console.log(`\n${isSame ? "All workers have the digest of one process." : "DIFFERENT DIGESTS"}`);
  process.exitCode = isSame ? 0 : 1;
} finally {
  server.stop();
}

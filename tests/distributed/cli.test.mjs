import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { NatsServer } from "./helpers/server.mjs";

const command = fileURLToPath(new URL("node_modules/lanewise/dist/cli/lanewise.js", import.meta.url));
let server;
let folder;

beforeAll(async () => {
  server = await NatsServer.start({ secure: true });
  folder = mkdtempSync(join(tmpdir(), "lanewise-cli-"));
  writeFileSync(join(folder, "ca.pem"), server.ca);
});

afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Arguments that reach the server. */
const access = () => {
  return [
    "--nats",
    server.tcp.servers,
    "--user",
    "member",
    "--password",
    "of the group",
    "--ca",
    join(folder, "ca.pem"),
  ];
};

/** Runs a worker to its end. */
function run(...args) {
  return new Promise((resolve) => {
    execFile(process.execPath, [command, "worker", ...args], (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, stdout, stderr, lines: stdout.trim().split("\n") });
    });
  });
}

const digestOf = ({ lines }) => lines.map((line) => JSON.parse(line)).find(({ event }) => event === "end")?.digest;

describe("lanewise worker", () => {
  it("two workers over TLS have the digest of one process, and save the same parameters", async () => {
    const [a, b] = [join(folder, "a.safetensors"), join(folder, "b.safetensors")];
    const shared = ["--epochs", "2", "--json"];
    const [one, two, alone] = await Promise.all([
      run("--run", "cli", ...access(), ...shared, "--save", a),
      run("--run", "cli", ...access(), ...shared, "--name", "second"),
      run("--local", ...shared, "--save", b),
    ]);
    expect([one.code, two.code, alone.code]).toEqual([0, 0, 0]);
    expect(digestOf(alone)).toMatch(/^[0-9a-f]{16}$/);
    expect([digestOf(one), digestOf(two)]).toEqual([digestOf(alone), digestOf(alone)]);
    expect(readFileSync(a).equals(readFileSync(b))).toBe(true);
    const resumed = await run("--run", "cli", ...access(), ...shared, "--resume");
    expect(digestOf(resumed)).toBe(digestOf(alone));
  });

  it("trains a program of one's own, and says so in words", async () => {
    const program = fileURLToPath(new URL("programs/own.mjs", import.meta.url));
    const { code, stdout } = await run("--local", "--program", program, "--epochs", "3");
    expect(code).toBe(0);
    expect(stdout).toMatch(/epoch 3\/3 {2}1 member {2}loss \d\.\d{4}\n/);
    expect(stdout).toMatch(/digest of the parameters [0-9a-f]{16}; 0\.0 MB sent/);
  });

  it("says goodbye when it is told to go", async () => {
    const args = ["worker", "--run", "goodbye", ...access(), "--epochs", "5000", "--json", "--lease", "60000"];
    const child = spawn(process.execPath, [command, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface({ input: child.stdout })) if (JSON.parse(line).event === "epoch") break;
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    // Well before the lease ends: nothing keeps the process.
    const patience = new Promise((resolve) => setTimeout(resolve, 60_000, "still there").unref());
    expect(await Promise.race([exit, patience])).toEqual([143, null]);
  });

  it.each([
    [["--run", "a"], /needs --run and --nats, or --local/],
    [["--local", "--epochs", "-1"], /Expected an integer >= 0/],
    [["--local", "--program", "/dev/null"], /no default export/],
    [["--run", "a b", "--nats", "SERVER"], /options\.run is "a b", expected 1 to 64 letters/],
  ])("refuses %j", async (args, message) => {
    const [, ...rest] = access();
    const { code, stderr } = await run(...args.flatMap((arg) => (arg === "SERVER" ? rest : arg)));
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

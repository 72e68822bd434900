// The command line of the packed package in the runtimes that have one.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { command } from "./drivers/commands.mjs";
import { modules, prepare } from "./prepare.mjs";

const project = prepare();
const { directory } = project;
afterAll(() => project.remove());

const execute = promisify(execFile);
const env = { ...process.env };
delete env.NO_COLOR;

const node = (version) => join(modules, `node-${version}/bin/node`);
const deno = join(modules, "@deno/linux-x64-glibc/deno");
const bun = join(modules, "@oven/bun-linux-x64/bin/bun");
const reference = await (await command(node(20))(project)).run({});

it("is installed as a command", async () => {
  const { stdout } = await execute("npx", ["--no-install", "lanewise", "--version"], { cwd: directory });
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

describe.each([
  ["Node 20", node(20), []],
  ["Node 22", node(22), []],
  ["Node 24", node(24), []],
  ["Node 26", node(26), []],
  ["Node 26", node(26), ["--jitless"]],
  ["Deno", deno, ["run", "--allow-all"]],
  ["Bun", bun, []],
])("lanewise in %s", (name, path, args) => {
  const file = join(directory, "node_modules/lanewise/dist/cli/lanewise.js");
  const lanewise = async (...words) => {
    const { stdout, stderr } = await execute(path, [...args, file, ...words], { cwd: directory, env });
    expect(stderr).toBe("");
    return stdout;
  };
  const backends = args.includes("--jitless") ? ["js"] : ["js", "wasm"];
  /** An interpreter takes a minute and more for the self-test. */
  const timeout = 300_000;

  it(
    "doctor has the digest of the other runtimes",
    async () => {
      const report = JSON.parse(await lanewise("doctor", "--json"));
      expect(report).toMatchObject({ ok: true, digest: reference.digest, expected: reference.digest });
      expect(report.environment.runtime).toMatch(new RegExp(`^${name}\\b`));
      expect(report.cores).toHaveLength(5);
      expect(report.cores[0].backend).toBe(backends.at(-1));
    },
    timeout,
  );

  it("bench measures what runs there", async () => {
    const sizes = ["--steps", "100", "--products", "9"];
    const { environment, results } = JSON.parse(await lanewise("bench", "--samples", "1", ...sizes, "--json"));
    expect(Object.keys(environment)).toEqual(["runtime", "engine", "cpu", "platform", "date"]);
    expect(results.map(({ kind, backend }) => [kind, backend])).toEqual(
      ["step", "product"].flatMap((kind) => backends.map((backend) => [kind, backend])),
    );
  });

  it("train finds the same bits on each backend", async () => {
    const { runs, sameBits } = JSON.parse(await lanewise("train", "--epochs", "1", "--json"));
    expect(runs.map(({ backend }) => backend)).toEqual([...backends].reverse());
    expect(sameBits).toBe(backends.length === 1 ? undefined : true);
  });

  it(
    "prints without escape codes in a pipe",
    async () => {
      const help = await lanewise("--help");
      const doctor = await lanewise("doctor");
      expect(help).toContain("Usage: lanewise");
      // The text is wrapped at the width of a terminal, so a line may end inside the words.
      expect(doctor.replace(/\s+/g, " ")).toContain(`digest ${reference.digest}`);
      expect(help + doctor).not.toContain("\x1b");
    },
    timeout,
  );

  it("ends with code 2 at a wrong argument", async () => {
    await expect(lanewise("dance")).rejects.toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringMatching(/^error: unknown command 'dance'/),
    });
  });

  it("ends with code 130 at SIGINT", async () => {
    const child = execFile(path, [...args, file, "bench", "--samples", "100000", "--threads", "2"], { env });
    child.stdout.once("data", () => child.kill("SIGINT"));
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect(code).toBe(130);
  });
});

// The command as it was built: what it prints where, and the code it ends with.
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { drawBar } from "../../cli/terminal.js";
import type { Report } from "../../measure/compare.js";

const root = new URL("../../", import.meta.url);
const file = fileURLToPath(new URL("dist/cli/lanewise.js", root));
const { version } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as { version: string };

/** Runs the command, its output piped, somewhere else. */
function lanewise(...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [file, ...args], { cwd: tmpdir(), encoding: "utf8", env: plain });
}

const plain: NodeJS.ProcessEnv = { ...process.env, TERM: "xterm" };
delete plain["NO_COLOR"];
const QUICK = ["bench", "--samples", "1", "--steps", "64", "--products", "4,8"];
const ESCAPE = "\x1b";

/** Runs the command in a terminal, types `keys` once `until` has been seen, and returns all that was written. */
async function inTerminal(args: string[], { env = {}, until = "", keys = "" } = {}): Promise<[string, number]> {
  // `script` brings a terminal, and returns the command's exit code.
  const line = [process.execPath, file, ...args].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qefc", line, "/dev/null"], {
    env: { ...plain, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (keys && output.includes(until)) {
      child.stdin.write(keys);
      keys = "";
    }
  });
  const [code] = (await once(child, "close")) as [number];
  return [output, code];
}

describe("help", () => {
  it.each([["--help"], ["help"]])("%s names the commands", (...args) => {
    const { status, stdout, stderr } = lanewise(...args);
    expect([status, stderr]).toEqual([0, ""]);
    for (const command of ["doctor", "bench", "train"]) expect(stdout).toMatch(new RegExp(`^ +${command} .+`, "m"));
  });

  it.each(["doctor", "bench", "train"])("of %s names its options", (command) => {
    const { status, stdout } = lanewise(command, "--help");
    expect(status).toBe(0);
    expect(stdout).toContain(`Usage: lanewise ${command} [options]`);
    expect(stdout).toContain("--json");
  });

  it("tells the version", () => expect(lanewise("--version").stdout).toBe(`${version}\n`));
});

describe("wrong arguments", () => {
  it.each<[string[], RegExp]>([
    [["dance"], /^error: unknown command 'dance'/],
    [["--loud"], /^error: unknown option '--loud'/],
    [["bench", "--loud"], /^error: unknown option '--loud'/],
    [["doctor", "now"], /^error: too many arguments for 'doctor'/],
    [["bench", "--samples", "0"], /'--samples <n>' argument '0' is invalid\. Expected an integer >= 1\./],
    [["bench", "--products", "8,x"], /'--products <sizes>' argument '8,x' is invalid\. Expected an integer >= 0\./],
    [["bench", "--threads", "257"], /'--threads <n>' argument '257' is invalid\. Expected at most 256\./],
    [["train", "--epochs", "1.5"], /'--epochs <n>' argument '1\.5' is invalid\. Expected an integer >= 1\./],
    [["train", "--learning-rate", "-1"], /'--learning-rate <x>' argument '-1' is invalid\. Expected a number >= 0\./],
    [[], /^Usage: lanewise/],
  ])("%j end with code 2 and a message on standard error", (args, message) => {
    const { status, stdout, stderr } = lanewise(...args);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).not.toMatch(/^ +at /m);
  });
});

describe("doctor", () => {
  it("reports what runs here and its digest, in JSON", () => {
    const { status, stdout, stderr } = lanewise("doctor", "--json");
    const report = JSON.parse(stdout);
    expect([status, stderr]).toEqual([0, ""]);
    expect(report).toMatchObject({ lanewise: version, ok: true, expected: report.digest });
    expect(report.digest).toMatch(/^[0-9a-f]{16}$/);
    expect(report.features).toMatchObject({ simd: true, threads: true });
    expect(report.environment.runtime).toBe(`Node ${process.versions.node}`);
    const asked = report.cores.map((core: { asked: object }) => core.asked);
    const threads = expect.any(Number);
    expect(asked).toEqual([{}, { threads }, { backend: "js" }, { arithmetic: "relaxed" }, { wide: true }]);
    for (const core of report.cores) {
      expect(core.reason.length).toBeGreaterThan(10);
      if (core.exact) expect(core.digest).toBe(report.digest);
    }
  });

  it("says the same in words, without a single escape code in a pipe", () => {
    const { status, stdout, stderr } = lanewise("doctor");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("simd passed its self-test");
    expect(stdout).toMatch(/^ok {2}digest [0-9a-f]{16}: /m);
    expect(stdout).not.toContain(ESCAPE);
  });

  it("ends with code 1 where a backend has other bits", () => {
    const copy = mkdtempSync(fileURLToPath(new URL("dist/cli-", root)));
    try {
      const built = readFileSync(file, "utf8");
      const { digest } = JSON.parse(lanewise("doctor", "--json").stdout);
      writeFileSync(join(copy, "lanewise.js"), built.replaceAll(digest, "0123456789abcdef"));
      const { status, stdout } = spawnSync(process.execPath, [join(copy, "lanewise.js"), "doctor"], {
        encoding: "utf8",
      });
      expect(status).toBe(1);
      expect(stdout).toContain("DIFFERS from the release's 0123456789abcdef");
      expect(stdout).toMatch(/^FAILED/m);
    } finally {
      rmSync(copy, { recursive: true });
    }
  });
});

describe("bench", () => {
  it("prints a complete report in JSON", () => {
    const { status, stdout, stderr } = lanewise(...QUICK, "--threads", "2", "--json");
    expect([status, stderr]).toEqual([0, ""]);
    const { lanewise: measured, environment, results } = JSON.parse(stdout) as Report;
    expect(measured).toBe(version);
    expect(Object.keys(environment)).toEqual(["runtime", "engine", "cpu", "platform", "date"]);
    const rows = results.map(({ kind, size, backend }) => `${kind} ${size} ${backend}`);
    const jobs = ["step 64", "product 4", "product 8"];
    expect(rows).toEqual(jobs.flatMap((job) => ["js", "wasm", "threads"].map((backend) => `${job} ${backend}`)));
    for (const { median, spread, rate, samples } of results) {
      expect(samples).toBe(1);
      expect(spread).toEqual([median, median]);
      for (const value of [median, rate]) expect(value).toBeGreaterThan(0);
    }
  });

  it("draws bars in a pipe without escape codes or progress", () => {
    const { status, stdout, stderr } = lanewise(...QUICK);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout.match(/^\S* +(js|wasm) +[█▏▎▍▌▋▊▉]/gm)).toHaveLength(6);
    expect(stdout).not.toContain(ESCAPE);
    for (const line of stdout.split("\n").slice(1)) expect(line.length).toBeLessThanOrEqual(80);
  });

  it("prints tables to paste", () => {
    const { stdout } = lanewise(...QUICK, "--threads", "2", "--markdown");
    expect(stdout).toContain("| RMSProp step of n parameters, G parameters/s | js | wasm | 2 threads |\n");
    expect(stdout).toMatch(/^\| 64 \|( [\d.]+ ± 0\.0 % \|){3}$/m);
    expect(stdout).toMatch(/^\| 8 \|( [\d.]+ ± 0\.0 % \|){3}$/m);
  });

  it("measures nothing where nothing is asked for", () => {
    const { status, stdout } = lanewise("bench", "--steps", "0", "--products", "0", "--json");
    expect([status, JSON.parse(stdout).results]).toEqual([0, []]);
    expect(lanewise("bench", "--steps", "0", "--products", "0").status).toBe(0);
  });
});

describe("train", () => {
  it("learns digits that it has not seen, with the same bits on both backends", () => {
    const { status, stdout, stderr } = lanewise("train", "--epochs", "4", "--json");
    expect([status, stderr]).toEqual([0, ""]);
    const { runs, sameBits } = JSON.parse(stdout);
    expect(sameBits).toBe(true);
    expect(runs.map(({ backend }: { backend: string }) => backend)).toEqual(["wasm", "js"]);
    for (const { accuracy, epochs, steps } of runs) {
      expect(accuracy).toBeGreaterThan(0.8);
      expect(accuracy).toBe(runs[0].accuracy);
      expect([epochs, steps]).toEqual([4, 200]);
    }
  });

  it("says so in words", () => {
    const { stdout } = lanewise("train", "--epochs", "1");
    expect(stdout).toMatch(/^1,600 handwritten digits .* 400 held out$/m);
    expect(stdout).toContain("The 13,258 parameters that came out are equal bit for bit.");
  });
});

describe("in a terminal", () => {
  it("shows progress and color, and gives the cursor back", async () => {
    const [output, code] = await inTerminal([...QUICK]);
    expect(code).toBe(0);
    expect(output).toContain("\x1b[?25l");
    expect(output.lastIndexOf("\x1b[?25h")).toBeGreaterThan(output.lastIndexOf("\x1b[?25l"));
    expect(output).toContain("\x1b[36m");
  });

  it.each<[string, string[], object]>([
    ["with NO_COLOR", [], { NO_COLOR: "1" }],
    ["with --no-color", ["--no-color"], {}],
  ])("has no color %s", async (_, args, env) => {
    const [output] = await inTerminal([...QUICK, ...args], { env });
    expect(output).toContain("█");
    expect(output).not.toMatch(new RegExp(`${ESCAPE}\\[[\\d;]*m`));
  });

  it("writes no escape codes at all where the terminal knows none", async () => {
    const [output] = await inTerminal(QUICK, { env: { TERM: "dumb" } });
    expect(output).toContain("█");
    expect(output).not.toContain(ESCAPE);
  });

  it("ends at Ctrl-C with code 130, with the cursor and without its workers", async () => {
    const [output, code] = await inTerminal(["bench", "--samples", "100000", "--threads", "2"], {
      until: "0/",
      keys: "\x03",
    });
    expect(code).toBe(130);
    expect(output.lastIndexOf("\x1b[?25h")).toBeGreaterThan(output.lastIndexOf("\x1b[?25l"));
    expect(output).not.toContain("GFLOP/s");
  });
});

describe("signals", () => {
  it.each<[NodeJS.Signals, number]>([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ])("%s ends it in a pipe too", async (signal, code) => {
    const child = spawn(process.execPath, [file, "bench", "--samples", "100000"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    child.kill(signal);
    expect(await once(child, "close")).toEqual([code, null]);
  });

  it("a reader that leaves is no error", () => {
    const line = `'${process.execPath}' '${file}' doctor | head -n 1`;
    const { stdout, stderr, status } = spawnSync("bash", ["-o", "pipefail", "-c", line], { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^Lanewise /);
  });
});

describe("a bar", () => {
  it("is as long as its share, to an eighth of a character", () => {
    expect(drawBar(1, 4)).toBe("████");
    expect(drawBar(0.5, 4)).toBe("██  ");
    expect(drawBar(0.53125, 4)).toBe("██▏ ");
    expect(drawBar(1e-6, 4)).toBe("▏   ");
    expect(drawBar(0, 4)).toBe("    ");
  });
});

describe("the guide", () => {
  const guide = readFileSync(new URL("docs/guide/cli.md", root), "utf8");

  it.each(["doctor", "bench", "train"])("names every option of %s", (command) => {
    const names = lanewise(command, "--help").stdout.match(/--[a-z-]+(?= )/g)!;
    expect(names).toContain("--json");
    const section = guide.split("\n## ").find((text) => text.startsWith(command))!;
    for (const name of names.filter((name) => name !== "--help")) expect(section).toContain(`\`${name}`);
  });
});

describe("what lies beside it", () => {
  it("are the licenses of all that is in it", () => {
    const licenses = readFileSync(new URL("dist/cli/LICENSES.md", root), "utf8");
    for (const name of ["commander", "cli-progress", "tinybench", "string-width", "digits.br"]) {
      expect(licenses).toMatch(new RegExp(`^## ${name}`, "m"));
    }
    expect(licenses.match(/Permission is hereby granted/g)!.length).toBe(licenses.match(/^## /gm)!.length - 1);
  });

  it("is the library, which it does not hold a second time", () => {
    const source = readFileSync(file, "utf8");
    const imports = [...source.matchAll(/from"(\.\.[^"]+)"/g)].map(([, path]) => path!);
    expect(new Set(imports)).toEqual(new Set(["../default/index.js", "../default/nn.js"]));
    for (const path of imports) expect(existsSync(new URL(`dist/cli/${path}`, root))).toBe(true);
    expect(source).not.toContain("0061736d");
  });
});

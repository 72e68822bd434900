import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** A runtime that is a command: a process for each report. `emulator`: the words before its path. */
export const command =
  (path, { emulator = [], args = [], env = {}, file = "programs/command.mjs" } = {}) =>
  async ({ directory }) => {
    const options = { cwd: directory, env: { ...process.env, NO_COLOR: "1", ...env } };
    const [first, ...words] = [...emulator, path];
    const version = await execute(first, [...words, "--version"], options);
    return {
      version: /\d+\.\d+\.\d+/.exec(version.stdout)[0],
      async run(request) {
        const { stdout } = await execute(
          first,
          [...words, ...args, join(directory, file), JSON.stringify(request)],
          options,
        );
        return JSON.parse(stdout);
      },
    };
  };

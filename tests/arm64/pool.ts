import { ForksPoolWorker, type PoolOptions, type PoolRunnerInitializer } from "vitest/node";
import { EMULATOR, NODE_ARM64 } from "./emulator.js";

const [emulator, ...words] = [...EMULATOR, NODE_ARM64];

/** Vitest's processes, but in an emulated Node for arm64. Vitest itself, which compiles the tests, is not emulated. */
class Arm64Worker extends ForksPoolWorker {
  override readonly name: string = "arm64";

  constructor(options: PoolOptions) {
    super(options);
    this.execArgv = [...words, ...this.execArgv];
  }

  override start(): Promise<void> {
    // What `fork` starts is at this path.
    const { execPath } = process;
    process.execPath = emulator!;
    try {
      return super.start();
    } finally {
      process.execPath = execPath;
    }
  }
}

export const arm64Pool: PoolRunnerInitializer = {
  name: "arm64",
  createPoolWorker: (options: PoolOptions) => new Arm64Worker(options),
};

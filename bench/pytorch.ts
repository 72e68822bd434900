import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ROUND_MILLISECONDS } from "../measure/rounds.js";
import { type Network, TRAINING } from "./contestant.js";
import type { DeepNetwork } from "./deep.js";

/** Parameters in many tensors, for a step of RMSProp's `foreach` form. */
export interface ManyTensors {
  readonly tensors: number;
  readonly parameters: number;
  readonly learningRate: number;
  readonly decay: number;
  readonly eps: number;
}

/** A Python process that trains the networks on one thread, when it is told to. */
export interface PyTorch {
  readonly name: string;
  /** Begins with a network and its numbers; returns what `read` of a task returns after `runs` steps. */
  start(
    network: Network | DeepNetwork | ManyTensors,
    numbers: readonly Float32Array[],
    runs: number,
  ): Promise<Float32Array>;
  /** Median time of a step. */
  milliseconds(): Promise<number>;
  dispose(): void;
}

/** What PyTorch is told about its instruction set: nothing, so that it takes the widest, and AVX2. */
const CAPABILITIES = [{}, { ATEN_CPU_CAPABILITY: "avx2" }];

const DESCRIBE = "import torch; print(torch.__version__.split('+')[0], torch.backends.cpu.get_cpu_capability())";

/** PyTorch in `python`, once for each instruction set; none if it is not installed there. */
export function startPyTorch(python: string): PyTorch[] {
  const script = fileURLToPath(new URL("peers/pytorch.py", import.meta.url));
  const started = new Map<string, PyTorch>();
  for (const capability of CAPABILITIES) {
    const env = { ...process.env, ...capability };
    const { status, stdout } = spawnSync(python, ["-c", DESCRIBE], { env, encoding: "utf8" });
    const name = `PyTorch ${stdout?.trim()}`;
    if (status !== 0 || started.has(name)) continue;
    started.set(name, talkTo(name, spawn(python, [script], { env, stdio: ["pipe", "pipe", "inherit"] })));
  }
  return [...started.values()];
}

/** One request a line, one answer a line. */
function talkTo(name: string, child: ChildProcess): PyTorch {
  const folder = mkdtempSync(join(tmpdir(), "lanewise-bench-"));
  const file = join(folder, "network.f32");
  const lines = createInterface({ input: child.stdout! });
  const gone = once(child, "exit").then(([code]) => {
    throw new Error(`${name} ended with ${code}`);
  });
  gone.catch(() => {}); // After dispose nobody waits for it.
  const ask = async (request: object): Promise<number> => {
    child.stdin!.write(`${JSON.stringify(request)}\n`);
    const [line] = await Promise.race([once(lines, "line"), gone]);
    return JSON.parse(line);
  };
  return {
    name,
    async start(network, numbers, runs) {
      writeFileSync(file, Buffer.concat(numbers.map(({ buffer }) => new Uint8Array(buffer))));
      await ask({ ...TRAINING, ...network, file, runs });
      const { buffer, byteOffset, byteLength } = readFileSync(file);
      return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
    },
    milliseconds: () => ask({ milliseconds: ROUND_MILLISECONDS }),
    dispose() {
      child.kill();
      rmSync(folder, { recursive: true });
    },
  };
}

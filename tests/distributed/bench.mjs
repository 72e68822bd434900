// What training costs in two processes: `npm run bench:distributed -- [--rounds 3] [--steps 8]`. One process and two take turns; medians
// of the steps after the first two.
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { NatsServer } from "./helpers/server.mjs";

const program = fileURLToPath(new URL("programs/cnn.mjs", import.meta.url));
const { values } = parseArgs({ options: { rounds: { type: "string" }, steps: { type: "string" } } });
const steps = Number(values.steps ?? 8);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

async function runCnn(request) {
  const child = spawn(process.execPath, [program, JSON.stringify(request)], { stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(await text(child.stdout));
}

const server = await NatsServer.start({ maxPayload: "1MB" });
const alone = [];
const together = [];
let brokerSeconds = 0;
for (let round = 0; round < Number(values.rounds ?? 3); round++) {
  const one = await runCnn({ steps });
  alone.push(...one.times.slice(2));
  const before = server.processorSeconds;
  const request = { connection: server.tcp, run: `bench-${round}`, steps };
  const both = await Promise.all([runCnn(request), runCnn(request)]);
  brokerSeconds += server.processorSeconds - before;
  const steady = both.map(({ times }) => times.slice(2).filter(({ members }) => members === 2));
  const count = Math.min(...steady.map(({ length }) => length));
  for (let i = 1; i <= count; i++) {
    const pair = steady.map((times) => times.at(-i));
    together.push({
      wall: Math.max(...pair.map(({ wall }) => wall)),
      processor: pair.reduce((sum, { processor }) => sum + processor, 0),
    });
  }
  console.log(
    `round ${round}: ${one.parameters} parameters, ${one.variant}, traffic ${JSON.stringify(both[0].traffic)}`,
  );
}
await server.stop();
const [wall1, wall2] = [alone, together].map((times) => median(times.map(({ wall }) => wall)));
const [processor1, processor2] = [alone, together].map((times) => median(times.map(({ processor }) => processor)));
const broker = (1000 * brokerSeconds) / (Number(values.rounds ?? 3) * steps);
console.log(
  `a step: ${wall1.toFixed(1)} ms in one process, ${wall2.toFixed(1)} ms in two: efficiency ${(wall1 / wall2 / 2).toFixed(3)}`,
);
console.log(
  `processor time a step: ${processor1.toFixed(1)} ms in one, ${processor2.toFixed(1)} ms in both together: ` +
    `${(processor1 / processor2).toFixed(3)}; the server ${broker.toFixed(1)} ms`,
);

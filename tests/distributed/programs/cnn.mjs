// The 32 × 32 CNN of the network bench, in a group or alone: reports wall and processor time of each step.
import process from "node:process";
import { connect } from "@nats-io/transport-node";
import { createCore, RMSProp } from "lanewise";
import { DistributedTrainer, joinGroup, LocalGroup } from "lanewise/distributed";
import { conv2d, dense, flatten, maxPool2d, Sequential, softmaxCrossEntropy, Trainer } from "lanewise/nn";

const { connection, run, steps, batchSize = 128, microBatches = 16, wait = 0 } = JSON.parse(process.argv[2]);
const core = await createCore();
const conv = (filters) => conv2d(filters, { kernelSize: 3, padding: "same", activation: "relu" });
const layers = [conv(32), conv(32), maxPool2d(2), conv(64), conv(64), maxPool2d(2)];
const top = [flatten(), dense(128, { activation: "relu" }), dense(10)];
const model = new Sequential(core, [...layers, ...top], { inputShape: [32, 32, 3], seed: 1 });
const optimizer = (parameters) => new RMSProp(core, parameters, { learningRate: 1e-4 });
const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer });

// A batch of noise, used again each step: what is measured does not depend on it.
const size = 32 * 32 * 3;
const x = Float32Array.from({ length: batchSize * size }, (_, i) => ((i * 7919) % 1000) / 500 - 1);
const rows = (indices) => ({
  x: Float32Array.from({ length: indices.length * size }, (_, i) => {
    return x[(indices[Math.floor(i / size)] % batchSize) * size + (i % size)];
  }),
  y: Float32Array.from(indices, (index) => index % 10),
});
const source = { count: batchSize * steps, description: "noise", rows };

const nats = run === undefined ? undefined : await connect({ noEcho: true, ...connection });
const group =
  nats === undefined
    ? new LocalGroup()
    : await joinGroup(nats, { run, lease: 20000, compareEvery: 1000, startWith: 2 });
// Both members are there before the first step that counts.
const times = [];
let last = performance.now();
let used = process.cpuUsage();
const onProgress = ({ members }) => {
  const now = performance.now();
  const { user, system } = process.cpuUsage(used);
  times.push({ wall: now - last, processor: (user + system) / 1000, members: members.length });
  last = now;
  used = process.cpuUsage();
};
await new Promise((resolve) => setTimeout(resolve, wait));
await new DistributedTrainer(trainer, group, { microBatches }).fit(source, { batchSize, onProgress });
const parameters = Object.values(model.parameters).reduce((sum, tensor) => sum + tensor.size, 0);
console.log(JSON.stringify({ times, parameters, traffic: group.traffic, variant: core.variant }));
await group.leave();
await nats?.close();
process.exit(0);

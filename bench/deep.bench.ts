import { gamma } from "../measure/check.js";
import { type DeepLayer, type DeepNetwork, flopsOfDeep, type Mode, makeDeepData } from "./deep.js";
import type { Native } from "./native.js";
import type { PyTorch } from "./pytorch.js";
import type { Job } from "./run.js";

/** Flops above which the slow are left out. */
const HEAVY_FLOPS = 2e9;
/** Steps before losses are compared. */
const STEPS = 3;

const PARTS = { forward: "forward", gradients: "forward and both gradients" } as const;

/** One layer, in both directions. */
function layer(name: string, batch: number, input: readonly number[], one: DeepLayer): DeepNetwork[] {
  const modes: Exclude<Mode, "training">[] = ["forward", "gradients"];
  return modes.map((mode) => ({ name: `${name}, ${PARTS[mode]}`, mode, batch, input, layers: [one] }));
}

const conv = (batch: number, size: number, channels: number, filters: number): DeepNetwork[] =>
  layer(`${batch} of ${size} × ${size} × ${channels} → ${filters}`, batch, [size, size, channels], {
    kind: "conv2d",
    filters,
  });

const depthwise = (batch: number, size: number, channels: number): DeepNetwork[] =>
  layer(`${batch} of ${size} × ${size} × ${channels}, depthwise`, batch, [size, size, channels], {
    kind: "depthwiseConv2d",
  });

const recurrent = (kind: "lstm" | "gru"): DeepNetwork[] =>
  layer(`${kind} of 128, 64 steps, batch 32`, 32, [64, 128], { kind, units: 128 });

const dense = (outputs: number, relu = false): DeepLayer => ({ kind: "dense", outputs, relu });
const convs = (...filters: number[]): DeepLayer[] => filters.map((count) => ({ kind: "conv2d", filters: count }));
const pool: DeepLayer = { kind: "maxPool2d" };
const flatten: DeepLayer = { kind: "flatten" };

/** Characters of a character-level model: those of Moby-Dick are about as many. */
const CHARACTERS = 80;

function charModel(kind: "lstm" | "gru"): DeepNetwork {
  const layers: DeepLayer[] = [
    { kind: "embedding", count: CHARACTERS, width: 128 },
    { kind, units: 128 },
    dense(CHARACTERS),
  ];
  return { name: `char-${kind} of 128, 64 steps, batch 32`, mode: "training", batch: 32, input: [64], layers };
}

/** What is measured, by family. */
export const DEEP_FAMILIES: Readonly<Record<string, { title: string; networks: readonly DeepNetwork[] }>> = {
  convolutions: {
    title: "3 × 3 convolutions with bias and relu",
    networks: [
      ...conv(64, 28, 1, 8),
      ...conv(64, 14, 8, 16),
      ...conv(32, 32, 32, 32),
      ...conv(32, 16, 64, 64),
      ...depthwise(32, 32, 32),
      ...depthwise(8, 56, 128),
    ],
  },
  recurrent: { title: "recurrent layers", networks: [...recurrent("lstm"), ...recurrent("gru")] },
  trainings: {
    title: "training steps of convolutional and recurrent networks",
    networks: [
      {
        name: "CNN 28 × 28, batch 64",
        mode: "training",
        batch: 64,
        input: [28, 28, 1],
        layers: [...convs(8), pool, ...convs(16), pool, flatten, dense(10)],
      },
      {
        name: "CNN 32 × 32, batch 32",
        mode: "training",
        batch: 32,
        input: [32, 32, 3],
        layers: [...convs(32, 32), pool, ...convs(64, 64), pool, flatten, dense(128, true), dense(10)],
      },
      charModel("lstm"),
      charModel("gru"),
    ],
  },
};

/** A pass through a layer, or a training step of a network. */
export function deepJob(network: DeepNetwork, natives: readonly Native[], pytorchs: readonly PyTorch[]): Job {
  const data = makeDeepData(network);
  const flops = flopsOfDeep(network);
  const isTraining = network.mode === "training";
  const { name, layers } = network;
  return {
    name,
    unit: isTraining ? "time" : "GFLOP/s",
    amount: isTraining ? 1 : flops,
    heavy: flops > HEAVY_FLOPS,
    start: (contestant) => contestant.deep?.(network, data),
    runsBeforeCheck: isTraining ? STEPS : 1,
    // Rounding errors of both signs: a sum of n terms is off by about √n of them, and √n is at most 200 here.
    bound: (_, result) => {
      const scale = result.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
      return result.map(() => 4 * gamma((isTraining ? STEPS * 200 : 200) * layers.length) * scale);
    },
    gauges: [
      ...(isTraining ? [] : natives).map((native) => ({
        name: native.name,
        sample: () => flops / native.multiplyAdd() / 1e6,
      })),
      ...pytorchs.map((pytorch) => ({
        name: pytorch.name,
        sample: () => pytorch.milliseconds(),
        result: async (runs: number) => {
          const result = await pytorch.start(network, [...data.weights.flat(), data.x, data.y], runs);
          return result.length > 0 ? result : undefined;
        },
      })),
    ],
  };
}

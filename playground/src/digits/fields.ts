import { type Field, readValues, type Values } from "../ui/values.ts";
import { lastStepOf, type Settings } from "./protocol.ts";

/** The learning rate that an optimizer starts with. */
export const RATES: Readonly<Record<string, number>> = { rmsprop: 0.003, adam: 0.003, adagrad: 0.02, sgd: 0.1 };

export const NETWORK: readonly Field[] = [
  {
    key: "optimizer",
    label: "Optimizer",
    kind: "select",
    initial: "rmsprop",
    choices: [
      ["rmsprop", "RMSProp"],
      ["adam", "Adam"],
      ["adagrad", "AdaGrad"],
      ["sgd", "SGD"],
    ],
  },
  { key: "learningRate", label: "Learning rate", kind: "slider", min: 1e-5, max: 1, scale: "log", initial: 0.003 },
  {
    key: "hidden",
    label: "Hidden units of the dense net",
    kind: "select",
    initial: "128",
    choices: [
      ["16", "16"],
      ["64", "64"],
      ["128", "128"],
      ["256", "256"],
    ],
  },
  {
    key: "batchSize",
    label: "Batch size",
    kind: "select",
    initial: "64",
    choices: [
      ["16", "16"],
      ["64", "64"],
      ["256", "256"],
    ],
  },
  { key: "seed", label: "Random seed", kind: "number", min: 0, max: 4294967295, whole: true, initial: 1 },
];

export const PACE: readonly Field[] = [
  {
    key: "pace",
    label: "Pace",
    kind: "select",
    initial: "20",
    choices: [
      ["5", "5 steps per second"],
      ["20", "20 steps per second"],
      ["Infinity", "as fast as possible"],
    ],
  },
];

export function settingsOf(values: Values): Settings {
  return {
    optimizer: values["optimizer"] as Settings["optimizer"],
    learningRate: values["learningRate"] as number,
    hidden: Number(values["hidden"]),
    batchSize: Number(values["batchSize"]),
    seed: values["seed"] as number,
  };
}

/** What a checkpoint says about its run. The file may come from anywhere: throws an Error that says what is wrong. */
export function readRun(text: string | undefined): { settings: Settings; step: number } {
  if (text === undefined) throw new Error("This checkpoint was not saved by this page");
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw new Error("The settings of this checkpoint are not JSON");
  }
  const settings = settingsOf(readValues(NETWORK, given));
  const max = lastStepOf(settings);
  const { step } = readValues([{ key: "step", label: "Step", kind: "number", min: 0, max, whole: true }], given);
  return { settings, step: step as number };
}

/** The networks that learn side by side. */
export const NETS = [
  { net: "dense", name: "Dense net", color: "blue" },
  { net: "cnn", name: "CNN", color: "orange" },
] as const;
export type Net = (typeof NETS)[number]["net"];

/** What is trained, and how. */
export interface Settings {
  readonly optimizer: "rmsprop" | "adam" | "adagrad" | "sgd";
  readonly learningRate: number;
  /** Hidden units of the dense net. */
  readonly hidden: number;
  readonly batchSize: number;
  readonly seed: number;
}

/** To the worker. */
export type Request =
  | { type: "open"; data: string }
  /** From the beginning. */
  | { type: "start"; settings: Settings }
  | { type: "run"; running: boolean }
  /** Steps per second; Infinity: as fast as possible. */
  | { type: "pace"; pace: number }
  /** An image to guess from now on. */
  | { type: "digit"; pixels: Float32Array }
  /** Some digit that is not trained on. */
  | { type: "sample" }
  | { type: "save" }
  | { type: "load"; bytes: Uint8Array };

/** How good a network is. */
export interface Standing {
  /** The mean over the last training batches. */
  readonly loss: number;
  /** Share of right answers among the test digits. */
  readonly accuracy: number;
  /** Element [i][j]: how many test digits i were read as j. */
  readonly confusion: readonly (readonly number[])[];
  readonly weights: number;
}

/** From the worker. */
export type Reply =
  | { type: "opened"; backend: string; variant: string; reason: string; test: number }
  | { type: "progress"; step: number; standings: Readonly<Record<Net, Standing>>; stepsPerSecond: number }
  | { type: "running"; running: boolean; finished: boolean }
  | { type: "guess"; probabilities: Readonly<Record<Net, readonly number[]>> }
  | { type: "sample"; pixels: Float32Array; digit: number }
  | { type: "saved"; bytes: Uint8Array<ArrayBuffer>; step: number }
  | { type: "loaded"; settings: Settings }
  | { type: "error"; message: string };

export const TRAIN_COUNT = 8000;
/** Where training ends by itself. */
const EPOCHS = 4;

export const batchesOf = ({ batchSize }: Settings): number => Math.ceil(TRAIN_COUNT / batchSize);
export const lastStepOf = (settings: Settings): number => EPOCHS * batchesOf(settings);

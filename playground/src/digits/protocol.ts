/** What is trained, and how. */
export interface Settings {
  readonly optimizer: "rmsprop" | "adam" | "adagrad" | "sgd";
  readonly learningRate: number;
  /** Neurons between the pixels and the ten answers. */
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
  /** Steps a second; Infinity: as fast as it goes. */
  | { type: "pace"; pace: number }
  /** An image to guess from now on. */
  | { type: "digit"; pixels: Float32Array }
  /** Some digit that is not trained on. */
  | { type: "sample" }
  | { type: "save" }
  | { type: "load"; bytes: Uint8Array };

/** From the worker. */
export type Reply =
  | { type: "opened"; backend: string; variant: string; reason: string; train: number; test: number }
  /** The mean loss of the last steps, and the share of right answers among digits not trained on. */
  | { type: "progress"; step: number; loss: number; accuracy: number; stepsPerSecond: number }
  | { type: "running"; running: boolean; finished: boolean }
  | { type: "guess"; probabilities: number[] }
  | { type: "sample"; pixels: Float32Array; digit: number }
  | { type: "saved"; bytes: Uint8Array<ArrayBuffer>; step: number }
  | { type: "loaded"; settings: Settings; step: number }
  | { type: "error"; message: string };

/** Where training ends by itself. */
export const EPOCHS = 12;

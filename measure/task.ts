/** Some work, ready to be done again and again. */
export interface Task {
  /** Does it once; the result stays where the package keeps it. */
  run(): void | Promise<void>;
  /** Brings the result of the last run to JavaScript: the product, the parameters, or the loss before the step. */
  read(): Float32Array;
  dispose(): void;
}

/** Everybody's options of a step. */
export const STEP = { learningRate: 1e-3, decay: 0.9, momentum: 0.9, eps: 1e-8, centeredEps: 1e-3 } as const;

import type { Metric, MetricName } from "./metrics.js";
import type { ModelPlan } from "./model-plan.js";
import type { ModelOptimizer, Trainer } from "./trainer.js";

/** What metrics found, by their names. */
export type MetricValues = {
  readonly [Name in Exclude<MetricName, "confusionMatrix">]?: number;
} & {
  readonly confusionMatrix?: number[][];
  readonly [name: string]: number | number[][] | undefined;
};

/** Outputs and targets of a model's first output, batch after batch, for metrics over all of them. */
export class Recorder {
  readonly #trainer: Trainer<ModelOptimizer>;
  readonly #outputs: Float32Array;
  readonly #targets: Float32Array;
  readonly #areIndices: boolean;
  readonly #outputWidth: number;
  readonly #targetWidth: number;
  #rows = 0;

  /** @param rows of all batches together */
  constructor(trainer: Trainer<ModelOptimizer>, rows: number, kind: number) {
    this.#trainer = trainer;
    this.#areIndices = (kind & 1) === 1;
    this.#outputWidth = trainer.model.outputs;
    this.#targetWidth = trainer.targetRow(0, kind).size;
    this.#outputs = new Float32Array(rows * this.#outputWidth);
    this.#targets = new Float32Array(rows * this.#targetWidth);
  }

  clear(): void {
    this.#rows = 0;
  }

  /** Copies the outputs and targets of a plan whose forward pass has run. */
  record({ plan, outputs, targets }: ModelPlan): void {
    const { buffer } = this.#trainer.model.core.linearMemory;
    const copy = (into: Float32Array, width: number, address: number) =>
      into.set(new Float32Array(buffer, address, plan.rows * width), this.#rows * width);
    copy(this.#outputs, this.#outputWidth, plan.addressOf(outputs[0]!));
    copy(this.#targets, this.#targetWidth, targets[0]!.value);
    this.#rows += plan.rows;
  }

  /** The metrics over what was recorded since `clear`. */
  compute(metrics: readonly Metric<number | number[][]>[]): MetricValues {
    const { losses, model } = this.#trainer;
    const { answers } = losses[0]!;
    // Several answers in a row are as many rows.
    const columns = answers === "elements" ? 1 : answers === "rows" ? model.outputShape.at(-1)! : this.#outputWidth;
    const rows = (this.#rows * this.#outputWidth) / columns;
    const input = {
      outputs: this.#outputs.subarray(0, this.#rows * this.#outputWidth),
      targets: this.#targets.subarray(0, this.#rows * this.#targetWidth),
      areIndices: this.#areIndices,
      rows,
      columns,
      threshold: answers === "elements" ? 0 : 0.5,
    };
    return Object.fromEntries(metrics.map((metric) => [metric.name, metric.compute(input)]));
  }
}

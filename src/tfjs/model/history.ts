import type { Logs, TfCallback } from "./tfjs-model.js";

/** What `fit` returns: the logs of every epoch, as TensorFlow.js's History has them. */
export class FitHistory implements TfCallback {
  readonly validationData = null;
  epoch: number[] = [];
  history: Record<string, number[]> = {};
  params: object = {};
  model: object | null = null;

  setParams(params: object): void {
    this.params = params;
  }

  setModel(model: object): void {
    this.model = model;
  }

  async onTrainBegin(): Promise<void> {
    this.epoch = [];
    this.history = {};
  }

  async onEpochEnd(epoch: number, logs: Logs): Promise<void> {
    this.epoch.push(epoch);
    for (const [name, value] of Object.entries(logs)) {
      this.history[name] ??= [];
      this.history[name].push(value);
    }
  }

  async onTrainEnd(): Promise<void> {}
  async onEpochBegin(): Promise<void> {}
  async onBatchBegin(): Promise<void> {}
  async onBatchEnd(): Promise<void> {}
  /** The values are there already. */
  async syncData(): Promise<void> {}
}

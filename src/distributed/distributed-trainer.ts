import { checkInteger, checkKeys } from "../checks.js";
import type { Trainer } from "../nn/trainer.js";
import type { RowSource } from "./data.js";
import type { Group } from "./group.js";
import { GroupTrainer } from "./group-trainer.js";
import type { ModelWork, Notes, StepReport } from "./model-work.js";
import { Order } from "./order.js";
import { TrainingWork } from "./training-work.js";

/** Options of `DistributedTrainer`. */
export interface DistributedTrainerOptions {
  /** Micro-batches a step, 1 to 65,536; default 16. It is part of the run: another number gives other bits. */
  microBatches?: number;
  /** Seed of the order of rows and of dropout, an integer from 0 to 2³² − 1; default 0. */
  seed?: number;
}

/**
 * Trains a model together with the other members of a group: synchronous data-parallel training.
 *
 * A step's batch is cut into micro-batches. Members compute the gradients of those that the leader assigns to them; the
 * sum over all is made in the order of a fixed binary tree; every member then makes the same optimizer step. Parameters
 * never depend on how many members there are, who they are, or which of them come and go: they are, bit for bit, those
 * of `LocalGroup`.
 *
 * Cost: a step moves 4 bytes a parameter from each member to the leader for each of its blocks, mostly one or two, and 4
 * bytes a parameter back. docs/guide/distributed.md has the figures.
 *
 * @example
 * const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer: (p) => new RMSProp(core, p) });
 * const distributed = new DistributedTrainer(trainer, new LocalGroup(), { microBatches: 16 });
 * for await (const { epoch, loss } of distributed.fit({ x, y }, { epochs: 5 })) console.log(epoch, loss);
 */
export class DistributedTrainer extends GroupTrainer {
  protected readonly settings: { readonly microBatches: number; readonly seed: number };

  /** @throws OptionError */
  constructor(trainer: Trainer, group: Group, options: DistributedTrainerOptions = {}) {
    super(trainer, group);
    checkKeys("options", options, ["microBatches", "seed"]);
    const { microBatches = 16, seed = 0 } = options;
    checkInteger("microBatches", microBatches, 1, 65536);
    checkInteger("seed", seed, 0, 2 ** 32 - 1);
    this.settings = { microBatches, seed };
  }

  protected createOrder(rows: number, batchSize: number, shuffle: boolean): Order {
    const { microBatches, seed } = this.settings;
    return new Order(rows, batchSize, microBatches, shuffle, seed);
  }

  protected createWork(source: RowSource, order: Order, report: (report: StepReport) => void, notes: Notes): ModelWork {
    return new TrainingWork(this.trainer, source, order, this.settings, report, notes);
  }
}

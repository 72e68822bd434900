import { checkChoice, checkInteger, checkKeys, checkNumber } from "../checks.js";
import type { Trainer } from "../nn/trainer.js";
import { CODECS, type Compression } from "./compression.js";
import type { RowSource } from "./data.js";
import { type DiLoCoSettings, DiLoCoWork } from "./diloco-work.js";
import type { Group } from "./group.js";
import { GroupTrainer } from "./group-trainer.js";
import type { ModelWork, Notes, StepReport } from "./model-work.js";
import { Order } from "./order.js";

/** Options of `DiLoCo`. */
export interface DiLoCoOptions {
  /** Slots, 1 to 65,536: parts of the data that are trained side by side. Default 4; as many as members suit best. */
  slots?: number;
  /** Steps that a slot makes before the changes are exchanged. Default 50. */
  localSteps?: number;
  /** The outer optimizer is SGD with Nesterov's momentum. Default 0.7. */
  outerLearningRate?: number;
  /** Default 0.9. */
  outerMomentum?: number;
  /** How the changes travel: `"none"` (float32, default), `"bfloat16"` or `"int8"`, both with error feedback. */
  compression?: Compression;
  /** Seed of the order of rows and of dropout, an integer from 0 to 2³² − 1; default 0. */
  seed?: number;
}

/**
 * Trains a model in a group with few exchanges, for slow links and large models: each slot makes `localSteps` steps by
 * itself, then the mean of what the slots have changed is the gradient of one step of an outer optimizer.
 *
 * A slot keeps the state of its optimizer, and what compression has left out, where it is computed. As long as slots stay
 * with their members the bits are those of `LocalGroup`; a slot that moves to another member begins with a new state
 * there. All members have the same parameters after each round in any case. While `fit` runs, `model.parameters` may be
 * those of a slot; in `onProgress` they are the run's.
 *
 * Cost: a round moves 4 bytes a parameter and block to the leader and 4 back; 2 and 2 with `"bfloat16"`; 1.03 and 2 with
 * `"int8"`.
 *
 * @example
 * const diloco = new DiLoCo(trainer, group, { slots: 4, localSteps: 50, compression: "int8" });
 * for await (const { epoch, loss } of diloco.fit({ x, y }, { epochs: 10, batchSize: 32 })) console.log(epoch, loss);
 * @see Douillard et al., "DiLoCo: Distributed Low-Communication Training of Language Models", 2023
 */
export class DiLoCo extends GroupTrainer {
  protected readonly settings: DiLoCoSettings & { readonly method: "DiLoCo" };

  /** @throws OptionError */
  constructor(trainer: Trainer, group: Group, options: DiLoCoOptions = {}) {
    super(trainer, group);
    const names = ["slots", "localSteps", "outerLearningRate", "outerMomentum", "compression", "seed"];
    checkKeys("options", options, names);
    const { slots = 4, localSteps = 50, outerLearningRate = 0.7, outerMomentum = 0.9 } = options;
    const { compression = "none", seed = 0 } = options;
    checkInteger("slots", slots, 1, 65536);
    checkInteger("localSteps", localSteps, 1);
    checkNumber("outerLearningRate", outerLearningRate, 0, Number.MAX_VALUE);
    checkNumber("outerMomentum", outerMomentum, 0, 1);
    checkChoice("compression", compression, Object.keys(CODECS));
    checkInteger("seed", seed, 0, 2 ** 32 - 1);
    this.settings = { method: "DiLoCo", slots, localSteps, outerLearningRate, outerMomentum, compression, seed };
  }

  protected createOrder(rows: number, batchSize: number, shuffle: boolean): Order {
    const { slots, localSteps, seed } = this.settings;
    return new Order(rows, batchSize * slots * localSteps, slots * localSteps, shuffle, seed);
  }

  protected createWork(source: RowSource, order: Order, report: (report: StepReport) => void, notes: Notes): ModelWork {
    return new DiLoCoWork(this.trainer, source, order, this.settings, report, notes);
  }
}

import { nnFamily } from "../backend/families/nn.js";
import type { StatefulOptimizer } from "../checkpoint/about.js";
import type { Dataset, Trainer } from "../nn/trainer.js";
import type { RowSource } from "./data.js";
import { ModelWork, type Notes, type StepReport } from "./model-work.js";
import { mixSeed, type Order } from "./order.js";

/** The rows of a micro-batch that are being fetched. */
interface Fetched {
  readonly step: number;
  readonly index: number;
  readonly count: number;
  readonly data: Promise<Dataset | undefined>;
}

/** Synchronous training: a leaf is a micro-batch, a step is one of the trainer's optimizer. */
export class TrainingWork extends ModelWork {
  readonly pure = true;
  readonly #source: RowSource;
  readonly #order: Order;
  readonly #seed: number;
  #next: Fetched | undefined;

  constructor(
    trainer: Trainer,
    source: RowSource,
    order: Order,
    { microBatches, seed }: { readonly microBatches: number; readonly seed: number },
    report: (report: StepReport) => void,
    notes: Notes,
  ) {
    super(trainer, microBatches, report, notes);
    this.#source = source;
    this.#order = order;
    this.#seed = seed;
  }

  protected get optimizer(): StatefulOptimizer {
    return this.trainer as StatefulOptimizer;
  }

  protected async computeLeaf(
    step: number,
    index: number,
    cancelled: () => boolean,
    add: () => void,
  ): Promise<boolean> {
    const isFetched = this.#next?.step === step && this.#next.index === index;
    const { data, count } = isFetched ? this.#next! : this.#fetch(step, index);
    const rows = await data;
    if (cancelled()) return false;
    // Mostly this member computes the next micro-batch, too.
    if (index + 1 < this.leaves) this.#next = this.#fetch(step, index + 1);
    const before = this.buffers.map(({ data: values }) => values.slice());
    // A micro-batch counts by its share of the batch's rows: 1 unless they differ.
    const weight = Math.fround((count * this.leaves) / this.#order.rowsOf(step));
    if (rows === undefined) for (const part of this.parts) part.data.fill(0);
    else {
      const loss = this.trainer.backward(rows.x, rows.y, { seed: mixSeed(this.#seed, step, index), scale: weight });
      this.loss.data[0] = Math.fround(loss) * weight;
      const kernels = this.trainer.model.core.kernels(nnFamily);
      if (weight !== 1) for (const { ptr, size } of this.buffers) kernels.scale_f32(size, weight, ptr, ptr);
    }
    add();
    this.buffers.forEach((buffer, i) => {
      buffer.data.set(before[i]!);
    });
    return true;
  }

  protected update(): void {
    this.trainer.update();
  }

  #fetch(step: number, index: number): Fetched {
    const indices = this.#order.indices(step, index);
    const data = Promise.resolve(indices.length === 0 ? undefined : this.#source.rows(indices));
    data.catch(() => {}); // whoever awaits it sees it; nobody does if the block is cancelled
    return { step, index, count: indices.length, data };
  }
}

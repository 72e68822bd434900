import { nnFamily } from "../backend/families/nn.js";
import { loadCheckpoint, saveCheckpoint, type StatefulOptimizer } from "../checkpoint/checkpoint.js";
import type { Dataset, Trainer } from "../nn/trainer.js";
import type { Tensor } from "../tensor.js";
import { breathe } from "./breathe.js";
import type { RowSource } from "./data.js";
import { bytesOf, canonical, digestOf, digestOfText, digestOfValues } from "./digest.js";
import { mixSeed, type Order } from "./order.js";
import { valuesOf } from "./packets.js";
import type { Work } from "./protocol/environment.js";
import { type Block, leavesIn, wholeTree } from "./tree.js";
import { TreeAccumulator } from "./tree-accumulator.js";

/** A trainer whose optimizer's state can be saved. */
export type DistributedTrainable = Trainer;

/** What is told of a step. */
export interface StepReport {
  /** Steps done. */
  readonly step: number;
  /** Mean loss over the batch, before the update. */
  readonly loss: number;
}

/**
 * Synchronous training as the protocol's work. A leaf is what a micro-batch comes to: gradients, buffers (batchNorm's
 * moving statistics as this micro-batch alone would leave them), loss. The sum of all leaves, divided by their number, is
 * what a step is made of.
 */
export class TrainingWork implements Work {
  readonly leaves: number;
  readonly largestBlock: number;
  readonly pure = true;
  readonly length: number;
  target = 0;
  readonly #trainer: DistributedTrainable;
  readonly #source: RowSource;
  readonly #order: Order;
  readonly #seed: number;
  readonly #report: (report: StepReport) => void;
  readonly #buffers: readonly Tensor[];
  readonly #loss: Tensor;
  readonly #accumulator: TreeAccumulator;
  /** What a checkpoint has to hold of whoever reports on epochs. */
  readonly #notes: { save(): string; load(notes: string): void };

  constructor(
    trainer: DistributedTrainable,
    source: RowSource,
    order: Order,
    options: { microBatches: number; seed: number },
    report: (report: StepReport) => void,
    notes: { save(): string; load(notes: string): void },
  ) {
    const { model } = trainer;
    this.leaves = options.microBatches;
    this.largestBlock = wholeTree(this.leaves).size;
    this.#seed = options.seed;
    this.#trainer = trainer;
    this.#source = source;
    this.#order = order;
    this.#report = report;
    this.#notes = notes;
    this.#buffers = Object.values(model.buffers);
    this.#loss = model.core.tensor([1]);
    this.length = this.#parts.reduce((sum, { size }) => sum + size, 0);
    this.#accumulator = new TreeAccumulator(model.core, this.length, this.leaves);
  }

  get #parts(): readonly Tensor[] {
    return [this.#trainer.gradients.block, ...this.#buffers, this.#loss];
  }

  compute(
    step: number,
    block: Block,
    cancelled: () => boolean,
    done: (sum: Uint8Array | undefined) => void,
    failed: (error: unknown) => void,
  ): void {
    this.#compute(step, block, cancelled).then(done, failed);
  }

  async #compute(step: number, block: Block, cancelled: () => boolean): Promise<Uint8Array | undefined> {
    const last = block.first + leavesIn(block, this.leaves);
    const fetch = (index: number) => {
      const indices = this.#order.indices(step, index);
      const rows = Promise.resolve(indices.length === 0 ? undefined : this.#source.rows(indices));
      rows.catch(() => {}); // whoever awaits it sees it; nobody does if the block is cancelled
      return { rows, count: indices.length };
    };
    let next = fetch(block.first);
    for (let index = block.first; index < last; index++) {
      await breathe();
      const { rows, count } = next;
      const data = await rows;
      if (cancelled()) return undefined;
      if (index === block.first) this.#accumulator.begin();
      if (index + 1 < last) next = fetch(index + 1);
      this.#addLeaf(step, index, data, count);
    }
    return bytesOf(canonical(this.#accumulator.total()));
  }

  /** Forward and backward for one micro-batch; its share of the batch's rows is its weight. */
  #addLeaf(step: number, index: number, data: Dataset | undefined, rows: number): void {
    const before = this.#buffers.map(({ data: values }) => values.slice());
    const weight = Math.fround((rows * this.leaves) / this.#order.rowsOf(step));
    if (data === undefined) for (const part of this.#parts) part.data.fill(0);
    else {
      const seed = mixSeed(this.#seed, step, index);
      const loss = this.#trainer.backward(data.x, data.y, { seed, scale: weight });
      this.#loss.data[0] = Math.fround(loss) * weight;
      const kernels = this.#trainer.model.core.kernels(nnFamily);
      if (weight !== 1) for (const { ptr, size } of this.#buffers) kernels.scale_f32(size, weight, ptr, ptr);
    }
    this.#accumulator.add(this.#parts);
    this.#buffers.forEach((buffer, i) => {
      buffer.data.set(before[i]!);
    });
  }

  decode(sum: Uint8Array): Float32Array | undefined {
    return sum.length === 4 * this.length ? valuesOf(sum) : undefined;
  }

  encodeRoot(sum: Float32Array): Uint8Array {
    return bytesOf(canonical(sum));
  }

  apply(step: number, root: Uint8Array): void {
    const values = valuesOf(root);
    const count = this.leaves;
    let at = 0;
    for (const { data, size } of this.#parts) {
      for (let i = 0; i < size; i++) data[i] = values[at + i]! / count; // the store rounds
      at += size;
    }
    const loss = this.#loss.data[0]!;
    this.#trainer.update();
    this.#report({ step: step + 1, loss });
  }

  digests(): Record<string, string> {
    const { parameters, buffers } = this.#trainer.model;
    const digests = digestsOf({ ...parameters, ...buffers });
    const arrays: string[] = [];
    collect(this.#trainer.state(), arrays);
    return { ...digests, "the optimizer's state": digestOfText(arrays.join(" ")) };
  }

  save(): Uint8Array {
    const { parameters, buffers } = this.#trainer.model;
    const optimizer = this.#trainer as StatefulOptimizer;
    const metadata = { distributed: this.#notes.save() };
    return saveCheckpoint({ parameters: { ...parameters, ...buffers }, optimizer, metadata });
  }

  load(bytes: Uint8Array): void {
    const { parameters, buffers } = this.#trainer.model;
    const optimizer = this.#trainer as StatefulOptimizer;
    const { metadata } = loadCheckpoint(bytes, { parameters: { ...parameters, ...buffers }, optimizer });
    this.#notes.load(metadata["distributed"] ?? "");
  }

  dispose(): void {
    this.#loss.dispose();
    this.#accumulator.dispose();
  }
}

/** A digest of each tensor, by name. */
export function digestsOf(tensors: Readonly<Record<string, Tensor>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, digestOfValues(data)]));
}

/** Digests of all arrays and numbers of a state, in the order of their names. */
function collect(value: unknown, into: string[]): void {
  if (ArrayBuffer.isView(value)) {
    into.push(value instanceof Float32Array ? digestOfValues(value) : digestOf(bytesOf(value)));
  } else if (typeof value === "object" && value !== null) {
    for (const key of Object.keys(value).sort()) {
      into.push(key);
      collect((value as Record<string, unknown>)[key], into);
    }
  } else into.push(String(value));
}

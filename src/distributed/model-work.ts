import type { StatefulOptimizer } from "../checkpoint/about.js";
import { saveCheckpoint } from "../checkpoint/checkpoint.js";
import { loadCheckpoint } from "../checkpoint/load.js";
import type { Trainer } from "../nn/trainer.js";
import type { Tensor } from "../tensor.js";
import { breathe } from "./breathe.js";
import { type Codec, float32 } from "./compression.js";
import { bytesOf, digestOf, digestOfText, digestOfValues } from "./digest.js";
import { joinBytes } from "./packets.js";
import type { Work } from "./protocol/environment.js";
import { type Block, leavesIn, wholeTree } from "./tree.js";
import { TreeAccumulator } from "./tree-accumulator.js";

/** What is told of a step. */
export interface StepReport {
  /** Steps done. */
  readonly step: number;
  /** Mean loss over the step's rows, before the update. */
  readonly loss: number;
}

/** What a checkpoint needs as well: how far the epoch's mean is. */
export interface Notes {
  save(): string;
  load(notes: string): void;
}

/** How sums travel: those of blocks to the leader, and the whole sum from there. */
export interface Codecs {
  readonly part: Codec;
  readonly root: Codec;
}

const UNCOMPRESSED: Codecs = { part: float32, root: float32 };

/**
 * The protocol's work for a model. A leaf is one vector: the gradient block, the buffers (batchNorm's moving statistics
 * as this leaf alone would leave them), the loss. The sum of all leaves divided by their number is what a step is made
 * of. Only the gradient block is ever compressed.
 */
export abstract class ModelWork implements Work {
  abstract readonly pure: boolean;
  readonly leaves: number;
  readonly largestBlock: number;
  readonly length: number;
  target = 0;
  protected readonly trainer: Trainer;
  protected readonly buffers: readonly Tensor[];
  protected readonly loss: Tensor;
  protected readonly codecs: Codecs;
  readonly #accumulator: TreeAccumulator;
  readonly #report: (report: StepReport) => void;
  readonly #notes: Notes;

  constructor(
    trainer: Trainer,
    leaves: number,
    report: (report: StepReport) => void,
    notes: Notes,
    codecs: Codecs = UNCOMPRESSED,
  ) {
    const { core, buffers } = trainer.model;
    this.leaves = leaves;
    this.codecs = codecs;
    // The sum of two compressed leaves would be more than a compressed leaf.
    this.largestBlock = codecs.part === float32 ? wholeTree(leaves).size : 1;
    this.trainer = trainer;
    this.#report = report;
    this.#notes = notes;
    this.buffers = Object.values(buffers);
    this.loss = core.tensor([1]);
    this.length = this.parts.reduce((sum, { size }) => sum + size, 0);
    this.#accumulator = new TreeAccumulator(core, this.length, this.largestBlock);
  }

  /** What a leaf is made of, one after the other. */
  protected get parts(): readonly Tensor[] {
    return [this.trainer.gradients.block, ...this.buffers, this.loss];
  }

  /** Computes a leaf into `parts`, then calls `add`; false if it was cancelled. Leaves buffers as they were. */
  protected abstract computeLeaf(
    step: number,
    index: number,
    cancelled: () => boolean,
    add: () => void,
  ): Promise<boolean>;

  /** Makes a step of what is in `parts` now. */
  protected abstract update(step: number): void;

  /** The optimizer whose state belongs to the run. */
  protected abstract get optimizer(): StatefulOptimizer;

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
    const end = block.first + leavesIn(block, this.leaves);
    for (let index = block.first; index < end; index++) {
      await breathe();
      const add = () => {
        if (index === block.first) this.#accumulator.begin();
        this.#accumulator.add(this.parts);
      };
      if (cancelled() || !(await this.computeLeaf(step, index, cancelled, add))) return undefined;
    }
    return this.encode(this.#accumulator.total(), this.codecs.part);
  }

  protected encode(values: Float32Array, codec: Codec): Uint8Array {
    if (codec === float32) return float32.encode(values);
    const count = this.trainer.gradients.block.size;
    const rest = float32.encode(values.subarray(count));
    return joinBytes([rest, codec.encode(values.subarray(0, count))]);
  }

  #decode(bytes: Uint8Array, codec: Codec): Float32Array | undefined {
    if (codec === float32) return float32.decode(bytes, this.length);
    const count = this.trainer.gradients.block.size;
    const cut = 4 * (this.length - count);
    const rest = float32.decode(bytes.subarray(0, cut), this.length - count);
    const gradients = codec.decode(bytes.subarray(cut), count);
    if (rest === undefined || gradients === undefined) return undefined;
    const values = new Float32Array(this.length);
    values.set(gradients);
    values.set(rest, count);
    return values;
  }

  decode(sum: Uint8Array): Float32Array | undefined {
    return this.#decode(sum, this.codecs.part);
  }

  encodeRoot(sum: Float32Array): Uint8Array {
    return this.encode(sum, this.codecs.root);
  }

  apply(step: number, root: Uint8Array): void {
    const values = this.#decode(root, this.codecs.root)!;
    let at = 0;
    for (const { data, size } of this.parts) {
      for (let i = 0; i < size; i++) data[i] = values[at + i]! / this.leaves; // the store rounds
      at += size;
    }
    const loss = this.loss.data[0]!;
    this.update(step);
    this.#report({ step: step + 1, loss });
  }

  digests(): Record<string, string> {
    const state: string[] = [];
    collect(this.optimizer.state(), state);
    return { ...digestsOf(this.#tensors), "the optimizer's state": digestOfText(state.join(" ")) };
  }

  save(): Uint8Array {
    const metadata = { distributed: this.#notes.save() };
    return saveCheckpoint({ parameters: this.#tensors, optimizer: this.optimizer, metadata });
  }

  load(bytes: Uint8Array): void {
    const { metadata } = loadCheckpoint(bytes, { parameters: this.#tensors, optimizer: this.optimizer });
    this.#notes.load(metadata["distributed"]!);
  }

  get #tensors(): Record<string, Tensor> {
    const { parameters, buffers } = this.trainer.model;
    return { ...parameters, ...buffers };
  }
}

/** A digest of each tensor, by name. */
export function digestsOf(tensors: Readonly<Record<string, Tensor>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, digestOfValues(data)]));
}

/** Names, numbers and digests of the arrays of a state, in the order of the names. */
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

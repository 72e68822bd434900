import type { StatefulOptimizer } from "../checkpoint/about.js";
import type { Trainer, TrainerState } from "../nn/trainer.js";
import { SGD } from "../optim/sgd.js";
import type { Tensor } from "../tensor.js";
import { breathe } from "./breathe.js";
import { bfloat16, CODECS, type Compression, float32 } from "./compression.js";
import type { RowSource } from "./data.js";
import { ModelWork, type Notes, type StepReport } from "./model-work.js";
import { mixSeed, type Order } from "./order.js";

/** What a slot takes from one round to the next. */
interface Slot {
  /** The round that it is for. */
  readonly round: number;
  /** State of the inner optimizer. */
  readonly state: TrainerState;
  /** What compression has left out so far. */
  readonly residual: Float32Array;
}

/** A slot's local steps while they are made. */
interface Journey {
  /** The run's parameters and buffers. */
  readonly start: readonly Float32Array[];
  /** The slot's own, and its optimizer's state, while the run's are in place. */
  moved: readonly Float32Array[];
  state: TrainerState;
  /** Whether the slot's own are in place. */
  isUnderWay: boolean;
}

/** Options of `DiLoCo` that are part of the run. */
export interface DiLoCoSettings {
  readonly slots: number;
  readonly localSteps: number;
  readonly outerLearningRate: number;
  readonly outerMomentum: number;
  readonly compression: Compression;
  readonly seed: number;
}

/**
 * Federated training with few exchanges: a leaf is a slot, and what it comes to is how far `localSteps` steps of the
 * inner optimizer have moved the parameters; a step of the run is one of the outer optimizer, which takes the mean of
 * that for a gradient.
 */
export class DiLoCoWork extends ModelWork {
  /** A slot that moves to another member begins with a new state there. */
  readonly pure = false;
  readonly #source: RowSource;
  readonly #order: Order;
  readonly #settings: DiLoCoSettings;
  readonly #outer: SGD;
  readonly #fresh: TrainerState;
  readonly #slots = new Map<number, Slot>();
  /** Of this round; they count once the round is committed. */
  readonly #pending = new Map<number, Slot>();
  #journey: Journey | undefined;

  constructor(
    trainer: Trainer,
    source: RowSource,
    order: Order,
    settings: DiLoCoSettings,
    report: (report: StepReport) => void,
    notes: Notes,
  ) {
    const part = CODECS[settings.compression];
    super(trainer, settings.slots, report, notes, { part, root: part === float32 ? float32 : bfloat16 });
    this.#source = source;
    this.#order = order;
    this.#settings = settings;
    this.#fresh = trainer.state();
    const { core, parameters } = trainer.model;
    const { outerLearningRate: learningRate, outerMomentum: momentum } = settings;
    this.#outer = new SGD(core, parameters, { learningRate, momentum, nesterov: momentum > 0 });
  }

  protected get optimizer(): StatefulOptimizer {
    return this.#outer;
  }

  protected async computeLeaf(
    round: number,
    index: number,
    cancelled: () => boolean,
    add: () => void,
  ): Promise<boolean> {
    const { localSteps, seed } = this.#settings;
    const slot = this.#slots.get(index);
    const start = this.#tensors.map(({ data }) => data.slice());
    const journey: Journey = {
      start,
      moved: start,
      state: slot?.round === round ? slot.state : this.#fresh,
      isUnderWay: false,
    };
    let lossSum = 0;
    let steps = 0;
    for (let at = 0; at < localSteps; at++) {
      const indices = this.#order.indices(round, index * localSteps + at);
      if (indices.length === 0) continue;
      const rows = await this.#source.rows(indices);
      await breathe();
      if (cancelled()) {
        this.#return();
        return false;
      }
      this.#leave(journey);
      const loss = this.trainer.backward(rows.x, rows.y, { seed: mixSeed(seed, round * localSteps + at, index) });
      this.trainer.update();
      lossSum += loss;
      steps++;
    }
    this.#return();
    const residual = this.#writeLeaf(journey, slot?.round === round ? slot.residual : undefined);
    this.loss.data[0] = steps === 0 ? 0 : lossSum / steps;
    this.#pending.set(index, { round: round + 1, state: journey.state, residual });
    add();
    this.#setAll(start);
    return true;
  }

  /** Puts the slot's own parameters and state in place. */
  #leave(journey: Journey): void {
    if (journey.isUnderWay) return;
    this.#setAll(journey.moved);
    this.trainer.load(journey.state);
    journey.isUnderWay = true;
    this.#journey = journey;
  }

  /** Puts the run's parameters in place: whatever is applied, stored or compared is about them. */
  #return(): void {
    const journey = this.#journey;
    if (journey?.isUnderWay !== true) return;
    journey.moved = this.#tensors.map(({ data }) => data.slice());
    journey.state = this.trainer.state();
    journey.isUnderWay = false;
    this.#setAll(journey.start);
  }

  get #tensors(): readonly Tensor[] {
    return [...Object.values(this.trainer.model.parameters), ...this.buffers];
  }

  #setAll(values: readonly Float32Array[]): void {
    this.#tensors.forEach((tensor, i) => {
      tensor.data.set(values[i]!);
    });
  }

  /** Start − end of each parameter, with what compression left out before; returns what it leaves out now. */
  #writeLeaf({ start, moved }: Journey, before: Float32Array | undefined): Float32Array {
    const { gradients, model } = this.trainer;
    gradients.block.data.fill(0);
    Object.keys(model.parameters).forEach((name, k) => {
      const to = gradients[name]!.data;
      for (let i = 0; i < to.length; i++) to[i] = start[k]![i]! - moved[k]![i]!;
    });
    const parameters = Object.keys(model.parameters).length;
    this.buffers.forEach((buffer, k) => {
      buffer.data.set(moved[parameters + k]!);
    });
    const { data } = gradients.block;
    const codec = this.codecs.part;
    if (codec === float32) return new Float32Array(0);
    if (before !== undefined) for (let i = 0; i < data.length; i++) data[i] = data[i]! + before[i]!;
    const sent = codec.decode(codec.encode(data), data.length)!;
    return data.map((value, i) => value - sent[i]!);
  }

  protected update(round: number): void {
    for (const [index, slot] of this.#pending) if (slot.round === round + 1) this.#slots.set(index, slot);
    this.#pending.clear();
    this.#outer.step(this.trainer.gradients);
  }

  override apply(round: number, root: Uint8Array): void {
    this.#return();
    super.apply(round, root);
  }

  override digests(): Record<string, string> {
    this.#return();
    return super.digests();
  }

  override save(): Uint8Array {
    this.#return();
    return super.save();
  }

  override load(bytes: Uint8Array): void {
    this.#return();
    super.load(bytes);
  }
}

import { ACTIVATION, type Activation } from "../backend/backend.js";
import { coreFamily } from "../backend/families/core.js";
import { type NetworkKernels, nnFamily } from "../backend/families/nn.js";
import type { Core } from "../core.js";
import { Tensor } from "../tensor.js";
import type { Batch } from "./data.js";
import type { Sequential } from "./sequential.js";

/** What one or two layers come down to: one or two kernels forward, a few backward. `width` is that of its output. */
export type Stage =
  | {
      readonly kind: "dense";
      readonly name: string;
      readonly width: number;
      readonly weight: Tensor;
      readonly bias: Tensor | undefined;
      activation: Activation;
    }
  | { readonly kind: "activation"; readonly width: number; readonly activation: Activation }
  | {
      readonly kind: "dropout";
      readonly width: number;
      readonly threshold: number;
      readonly scale: number;
      readonly stream: number;
    };

/** A kernel call whose arguments are known, but for those that a batch brings. */
type Call = () => void;

/** Something at an address: a tensor, or the rows of x, wherever they lie. */
interface Block {
  readonly ptr: number;
}

/** A training step, or a prediction, for one number of rows: its calls, one after the other. */
interface Plan {
  readonly forward: readonly Call[];
  readonly backward: readonly Call[];
  readonly output: Block;
  readonly scratchBytes: number;
}

/** A stage that runs: what it reads, [rows, inputs], what it leaves behind, and its activation. */
interface Run {
  readonly stage: Stage;
  readonly source: Block;
  readonly inputs: number;
  readonly y: Block;
  readonly activation: number;
}

/** Plans that are kept. An epoch needs two: for its batches, and for the rows that are left. */
const PLANS_KEPT = 32;

/**
 * The buffers of a model for batches of up to `capacity` rows, and the passes over them. Everything is allocated by
 * the constructor; a pass walks the plan for its number of rows, which is made when that number first comes.
 */
export class Workspace {
  readonly capacity: number;
  /** Gradients of the parameters, by name; empty unless made for training. */
  readonly gradients: Readonly<Record<string, Tensor>>;
  readonly #core: Core;
  readonly #network: NetworkKernels;
  readonly #stages: readonly Stage[];
  readonly #inputs: number;
  readonly #training: boolean;
  readonly #input: Tensor;
  /** What each stage leaves behind, [capacity, width]. */
  readonly #outputs: Tensor[] = [];
  /** Two blocks that the gradient of a stage's output and of its input take turns in. */
  readonly #deltas: Tensor[] = [];
  readonly #plans = new Map<number, Plan>();
  #plan: Plan | undefined;
  /** What differs between batches of the same size. */
  readonly #batch = { ptr: 0, dropoutSeed: 0, scratchPtr: 0 };

  /** For training it drops out and keeps gradients; else neither. */
  constructor(model: Sequential, capacity: number, training: boolean) {
    const { core, stages, inputs } = model;
    this.#core = core;
    this.#network = core.kernels(nnFamily);
    this.#stages = stages;
    this.#inputs = inputs;
    this.#training = training;
    this.capacity = capacity;
    const gradients: Record<string, Tensor> = {};
    this.gradients = gradients;
    const taken: Tensor[] = [];
    const take = (shape: number[]): Tensor => {
      const tensor = core.tensor(shape);
      taken.push(tensor);
      return tensor;
    };
    try {
      this.#input = take([capacity, inputs]);
      for (const stage of stages) this.#outputs.push(take([capacity, stage.width]));
      if (training) {
        const widest = Math.max(...stages.map((stage) => stage.width));
        this.#deltas.push(take([capacity, widest]), take([capacity, widest]));
        for (const [name, parameter] of Object.entries(model.parameters)) gradients[name] = take([...parameter.shape]);
      }
      core.scratch(this.#planFor(capacity, false).scratchBytes);
    } catch (error) {
      for (const tensor of taken) tensor.dispose();
      throw error;
    }
  }

  /** Where the loss writes the gradient of the last stage's output. */
  get outputGradientPtr(): number {
    return this.#deltas[0]!.ptr;
  }

  /** Address of `rows` rows of `x` from row `first` on: in place for a tensor, copied here for an array. */
  input(x: Batch, first: number, rows: number): number {
    if (x instanceof Tensor) return x.ptr + first * this.#inputs * 4;
    const start = first * this.#inputs;
    const length = rows * this.#inputs;
    if (start === 0 && length === x.length) this.#input.data.set(x);
    else if (ArrayBuffer.isView(x))
      this.#input.data.set((x as unknown as Float32Array).subarray(start, start + length));
    else this.#input.data.set(Array.prototype.slice.call(x, start, start + length));
    return this.#input.ptr;
  }

  /** The input block itself, for a caller that fills it. */
  get inputBlock(): Tensor {
    return this.#input;
  }

  /**
   * Runs all stages on `rows` rows and returns the address of the last output. With `absorbed` the last activation is
   * left to the loss.
   */
  forward(xPtr: number, rows: number, absorbed: boolean, dropoutSeed: number): number {
    const plan = this.#planFor(rows, absorbed);
    this.#plan = plan;
    this.#batch.scratchPtr = this.#core.scratch(plan.scratchBytes);
    this.#batch.ptr = xPtr;
    this.#batch.dropoutSeed = dropoutSeed;
    for (let i = 0; i < plan.forward.length; i++) plan.forward[i]!();
    return plan.output.ptr;
  }

  /** Fills `gradients` from the gradient at `outputGradientPtr`, for the batch of the last `forward`. */
  backward(): void {
    const { backward } = this.#plan!;
    for (let i = 0; i < backward.length; i++) backward[i]!();
  }

  dispose(): void {
    for (const tensor of [this.#input, ...this.#outputs, ...this.#deltas, ...Object.values(this.gradients)]) {
      tensor.dispose();
    }
  }

  #planFor(rows: number, absorbed: boolean): Plan {
    const key = 2 * rows + Number(absorbed);
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      plan = this.#makePlan(rows, absorbed);
      if (this.#plans.size === PLANS_KEPT) this.#plans.delete(this.#plans.keys().next().value!);
      this.#plans.set(key, plan);
    }
    return plan;
  }

  #makePlan(rows: number, absorbed: boolean): Plan {
    const runs = this.#runs(absorbed);
    const forward: Call[] = [];
    const backward: Call[] = [];
    const core = this.#core;
    const network = this.#network;
    const batch = this.#batch;
    let scratchBytes = 0;

    const multiply = (
      m: number,
      n: number,
      k: number,
      a: Block,
      transposeA: number,
      b: Block,
      transposeB: number,
      c: Block,
      bias?: Block,
      activation: number = ACTIVATION.identity,
    ): Call => {
      const lda = transposeA ? m : k;
      const ldb = transposeB ? k : n;
      scratchBytes = Math.max(
        scratchBytes,
        core.kernels(coreFamily).gemm_scratch_bytes(m, n, k, transposeA, transposeB, 0),
      );
      return () => {
        const biasPtr = bias === undefined ? 0 : bias.ptr;
        core
          .kernels(coreFamily)
          .gemm_f32(
            1,
            m,
            n,
            k,
            1,
            a.ptr,
            0,
            lda,
            transposeA,
            b.ptr,
            0,
            ldb,
            transposeB,
            0,
            c.ptr,
            0,
            n,
            biasPtr,
            activation,
            batch.scratchPtr,
          );
      };
    };
    const dropOut = (x: Block, y: Block, { width, stream, threshold, scale }: Extract<Stage, { kind: "dropout" }>) => {
      return () => network.dropout_f32(rows * width, x.ptr, y.ptr, batch.dropoutSeed ^ stream, threshold, scale);
    };

    for (const { stage, source, inputs, y, activation } of runs) {
      const { width } = stage;
      if (stage.kind === "dropout") forward.push(dropOut(source, y, stage));
      else if (stage.kind === "activation") {
        forward.push(() => network.activation_f32(activation, rows * width, source.ptr, y.ptr));
      } else {
        // relu costs the product nothing; what takes longer is faster over all rows at once.
        const inside = activation === ACTIVATION.relu ? activation : ACTIVATION.identity;
        forward.push(multiply(rows, width, inputs, source, 0, stage.weight, 0, y, stage.bias, inside));
        if (inside !== activation) {
          forward.push(() => network.activation_f32(activation, rows * width, y.ptr, y.ptr));
        }
      }
    }

    if (!this.#training) return { forward, backward, output: runs.at(-1)!.y, scratchBytes };
    const first = runs.findIndex(({ stage }) => stage.kind === "dense");
    let delta: Block = this.#deltas[0]!;
    let other: Block = this.#deltas[1]!;
    for (let i = runs.length - 1; i >= first; i--) {
      const { stage, source, inputs, y, activation } = runs[i]!;
      const { width } = stage;
      const dy = delta;
      if (stage.kind === "dropout") {
        backward.push(dropOut(dy, dy, stage));
        continue;
      }
      const db = stage.kind === "dense" ? this.gradients[`${stage.name}.bias`] : undefined;
      if (activation !== ACTIVATION.identity || db !== undefined) {
        backward.push(() => {
          const dbPtr = db === undefined ? 0 : db.ptr;
          network.activation_backward_f32(activation, rows, width, y.ptr, dy.ptr, dy.ptr, dbPtr);
        });
      }
      if (stage.kind === "activation") continue;
      backward.push(multiply(inputs, width, rows, source, 1, dy, 0, this.gradients[`${stage.name}.weight`]!));
      if (i === first) break; // nobody asks for the gradient of x
      const dx = other;
      backward.push(multiply(rows, inputs, width, dy, 0, stage.weight, 1, dx));
      other = delta;
      delta = dx;
    }
    return { forward, backward, output: runs.at(-1)!.y, scratchBytes };
  }

  /** The stages that do something: dropout only in training, no last activation that is absorbed. */
  #runs(absorbed: boolean): Run[] {
    const runs: Run[] = [];
    let source: Block = this.#batch;
    let inputs = this.#inputs;
    this.#stages.forEach((stage, i) => {
      const isAbsorbed = absorbed && i === this.#stages.length - 1;
      const activation = stage.kind === "dropout" || isAbsorbed ? ACTIVATION.identity : ACTIVATION[stage.activation];
      const y = this.#outputs[i]!;
      if (stage.kind !== "dense" && (isAbsorbed || (stage.kind === "dropout" && !this.#training))) return;
      runs.push({ stage, source, inputs, y, activation });
      source = y;
      inputs = stage.width;
    });
    return runs;
  }
}

import { ACTIVATION, type Activation, type NetworkKernels } from "../backend/backend.js";
import type { Core } from "../core.js";
import { Tensor } from "../tensor.js";
import type { Batch } from "./data.js";
import { networkKernels } from "./kernels.js";
import type { Sequential } from "./sequential.js";

/** What one or two layers come down to: one kernel forward, a few backward. `width` is that of its output. */
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

/**
 * The buffers of a model for batches of up to `capacity` rows, and the passes over them. Everything is allocated by
 * the constructor; the passes allocate nothing.
 */
export class Workspace {
  readonly capacity: number;
  /** Gradients of the parameters, by name; empty unless made for training. */
  readonly gradients: Readonly<Record<string, Tensor>>;
  readonly #core: Core;
  readonly #network: NetworkKernels;
  readonly #stages: readonly Stage[];
  readonly #inputs: number;
  readonly #input: Tensor;
  /** What each stage leaves behind, [capacity, width]. */
  readonly #outputs: Tensor[] = [];
  /** Gradients of each stage's weight and bias, by stage. */
  readonly #weightGradients: (Tensor | undefined)[] = [];
  readonly #biasGradients: (Tensor | undefined)[] = [];
  /** Two blocks that the gradient of a stage's output and of its input take turns in. */
  readonly #deltas: Tensor[] = [];
  readonly #scratchBytes: number;

  constructor(model: Sequential, capacity: number, training: boolean) {
    const { core, stages, inputs } = model;
    this.#core = core;
    this.#network = networkKernels(core);
    this.#stages = stages;
    this.#inputs = inputs;
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
        const widest = Math.max(inputs, ...stages.map((stage) => stage.width));
        this.#deltas.push(take([capacity, widest]), take([capacity, widest]));
        for (const [name, parameter] of Object.entries(model.parameters)) gradients[name] = take([...parameter.shape]);
      }
      for (const stage of stages) {
        this.#weightGradients.push(stage.kind === "dense" ? gradients[`${stage.name}.weight`] : undefined);
        this.#biasGradients.push(stage.kind === "dense" ? gradients[`${stage.name}.bias`] : undefined);
      }
      this.#scratchBytes = this.#measureScratch(training);
      core.scratch(this.#scratchBytes);
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
   * Runs all stages on `rows` rows and returns the address of the last output. Dropout is applied only with a
   * `dropoutSeed`; a last activation equal to `absorbs` is left to the loss.
   */
  forward(xPtr: number, rows: number, absorbs: "sigmoid" | undefined, dropoutSeed: number | undefined): number {
    const { kernels } = this.#core;
    const scratch = this.#core.scratch(this.#scratchBytes);
    let inputPtr = xPtr;
    let width = this.#inputs;
    for (let i = 0; i < this.#stages.length; i++) {
      const stage = this.#stages[i]!;
      const y = this.#outputs[i]!.ptr;
      if (stage.kind === "dropout") {
        if (dropoutSeed === undefined) continue;
        const seed = dropoutSeed ^ stage.stream;
        this.#network.dropout_f32(rows * width, inputPtr, y, seed, stage.threshold, stage.scale);
      } else {
        const isAbsorbed = i === this.#stages.length - 1 && stage.activation === absorbs;
        const activation = isAbsorbed ? ACTIVATION.identity : ACTIVATION[stage.activation];
        if (stage.kind === "activation") this.#network.activation_f32(activation, rows * width, inputPtr, y);
        else {
          const n = stage.width;
          const w = stage.weight.ptr;
          const bias = stage.bias === undefined ? 0 : stage.bias.ptr;
          kernels.gemm_f32(
            1,
            rows,
            n,
            width,
            1,
            inputPtr,
            0,
            width,
            0,
            w,
            0,
            n,
            0,
            0,
            y,
            0,
            n,
            bias,
            activation,
            scratch,
          );
        }
      }
      inputPtr = y;
      width = stage.width;
    }
    return inputPtr;
  }

  /** Fills `gradients` from the gradient at `outputGradientPtr`, after a `forward` with the same arguments. */
  backward(xPtr: number, rows: number, absorbs: "sigmoid" | undefined, dropoutSeed: number): void {
    const { kernels } = this.#core;
    const scratch = this.#core.scratch(this.#scratchBytes);
    let delta = this.#deltas[0]!.ptr;
    let other = this.#deltas[1]!.ptr;
    for (let i = this.#stages.length - 1; i >= 0; i--) {
      const stage = this.#stages[i]!;
      const n = stage.width;
      if (stage.kind === "dropout") {
        this.#network.dropout_f32(rows * n, delta, delta, dropoutSeed ^ stage.stream, stage.threshold, stage.scale);
        continue;
      }
      const isAbsorbed = i === this.#stages.length - 1 && stage.activation === absorbs;
      if (!isAbsorbed && stage.activation !== "identity") {
        this.#network.activation_backward_f32(
          ACTIVATION[stage.activation],
          rows * n,
          this.#outputs[i]!.ptr,
          delta,
          delta,
        );
      }
      if (stage.kind === "activation") continue;
      const k = i === 0 ? this.#inputs : this.#stages[i - 1]!.width;
      const inputPtr = i === 0 ? xPtr : this.#outputs[i - 1]!.ptr;
      const dw = this.#weightGradients[i]!.ptr;
      const db = this.#biasGradients[i];
      kernels.gemm_f32(
        1,
        k,
        n,
        rows,
        1,
        inputPtr,
        0,
        k,
        1,
        delta,
        0,
        n,
        0,
        0,
        dw,
        0,
        n,
        0,
        ACTIVATION.identity,
        scratch,
      );
      if (db !== undefined) this.#network.column_sums_f32(rows, n, delta, db.ptr);
      if (i === 0) return;
      const w = stage.weight.ptr;
      kernels.gemm_f32(1, rows, k, n, 1, delta, 0, n, 0, w, 0, n, 1, 0, other, 0, k, 0, ACTIVATION.identity, scratch);
      const filled = other;
      other = delta;
      delta = filled;
    }
  }

  dispose(): void {
    for (const tensor of [this.#input, ...this.#outputs, ...this.#deltas, ...Object.values(this.gradients)]) {
      tensor.dispose();
    }
  }

  /** The largest scratch that any product of a pass over `capacity` rows needs. */
  #measureScratch(training: boolean): number {
    const { kernels } = this.#core;
    let bytes = 0;
    for (const stage of this.#stages) {
      if (stage.kind !== "dense") continue;
      const k = stage.weight.shape[0]!;
      const n = stage.width;
      bytes = Math.max(bytes, kernels.gemm_scratch_bytes(this.capacity, n, k, 0, 0, 0));
      if (!training) continue;
      bytes = Math.max(
        bytes,
        kernels.gemm_scratch_bytes(k, n, this.capacity, 1, 0, 0),
        kernels.gemm_scratch_bytes(this.capacity, k, n, 0, 1, 0),
      );
    }
    return bytes;
  }
}

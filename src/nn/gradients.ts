import { nnFamily } from "../backend/families/nn.js";
import type { Core } from "../core.js";
import { Tensor } from "../tensor.js";

/** The gradients of a model's parameters by name, each a view of `block`. */
export type Gradients = Readonly<Record<string, Tensor>> & {
  /** All gradients in one tensor [elements], each from a multiple of 16 elements on; what is between them is 0. */
  readonly block: Tensor;
};

/** Elements of a cache line. */
const LINE = 16;

/** The memory of a model's gradients. */
export class GradientBlock {
  readonly views: Gradients;
  readonly #core: Core;
  readonly #block: Tensor;
  /** What `collect` keeps meanwhile. */
  #before: Tensor | undefined;

  /** Throws OutOfMemoryError. */
  constructor(core: Core, parameters: Readonly<Record<string, Tensor>>) {
    this.#core = core;
    const places = new Map<string, number>();
    let size = 0;
    for (const [name, parameter] of Object.entries(parameters)) {
      places.set(name, size);
      size += Math.ceil(parameter.size / LINE) * LINE;
    }
    const block = core.reserve([size]);
    this.#block = block;
    const views: Record<string, Tensor> = {};
    for (const [name, at] of places) views[name] = Tensor.viewOf(core, parameters[name]!.shape, block.ptr + at * 4);
    // Not enumerable: an optimizer takes the names of a record for those of parameters.
    this.views = Object.defineProperty(views, "block", { value: block }) as unknown as Gradients;
  }

  /**
   * Lets `backward` write the gradients, multiplies them by `scale`, and with `accumulate` adds them to those of before:
   * before + scale·new, each operation rounded to float32.
   */
  collect(accumulate: boolean, scale: number, backward: () => void): void {
    const { ptr, size } = this.#block;
    const kernels = this.#core.kernels(nnFamily);
    if (!accumulate) backward();
    else {
      this.#before ??= this.#core.reserve([size]);
      const before = this.#before;
      before.data.set(this.#block.data);
      backward();
      if (scale !== 1) kernels.scale_f32(size, scale, ptr, ptr);
      kernels.add_f32(size, before.ptr, ptr, ptr);
      return;
    }
    if (scale !== 1) kernels.scale_f32(size, scale, ptr, ptr);
  }

  dispose(): void {
    this.#block.dispose();
    this.#before?.dispose();
  }
}

// What frameworks have beside their optimizers, to be called between the gradients and the step. They work in place, in
// the order of the calls, and only programs that import them carry them. Plain loops over the live views, so they have
// the same bits on every backend: each store rounds to float32 (docs/decisions/0010-dialects.md).

import { sumOfSquares } from "../backend/js/optim/transform.js";
import {
  checkChoice,
  checkFinite,
  checkInteger,
  checkKeys,
  checkNumber,
  isFloat32Array,
  unexpected,
} from "../checks.js";
import { OptionError, ShapeError } from "../errors.js";
import { Tensor } from "../tensor.js";
import { Optimizer } from "./optimizer.js";
import { type Gradients, nameParameters, type ParameterSet, pathOf } from "./parameters.js";
import type { RowIndices } from "./row-gradient.js";
import { IndexBuffer } from "./rows.js";

const f = Math.fround;

/** A gradient or parameter: where it is, and its shape. */
interface Block {
  readonly path: string;
  readonly values: Float32Array;
  readonly shape: readonly number[];
}

/** The arrays of a set by their names; those that are missing are left out. */
function blocksOf(what: string, set: unknown): Map<string, Block> {
  const blocks = new Map<string, Block>();
  if (set === null || set === undefined) return blocks;
  for (const { parameters } of nameParameters(what, set).groups) {
    for (const parameter of parameters) {
      const value: unknown = parameter.value;
      const path = pathOf(parameter);
      if (value === null || value === undefined) continue;
      if (value instanceof Tensor) {
        value.assertLive(path);
        blocks.set(parameter.name, { path, values: value.data, shape: value.shape });
      } else if (isFloat32Array(value)) {
        blocks.set(parameter.name, { path, values: value, shape: [value.length] });
      } else throw unexpected(path, value, "a Tensor, Float32Array or null");
    }
  }
  return blocks;
}

function checkBound(name: string, value: number): void {
  checkNumber(name, value, Number.MIN_VALUE, Number.MAX_VALUE);
}

function multiply(values: Float32Array, factor: number): void {
  for (let i = 0; i < values.length; i++) values[i]! *= factor;
}

function clamp(values: Float32Array, bound: number): void {
  for (let i = 0; i < values.length; i++) {
    if (values[i]! > bound) values[i] = bound;
    else if (values[i]! < -bound) values[i] = -bound;
  }
}

/** ‖x‖ in float32, of a sum in float64 that was rounded once. */
function norm(sum: number): number {
  return f(Math.sqrt(f(sum)));
}

/**
 * Multiplies every gradient by a factor, in place: MXNet's `rescale_grad`, or 1/scale for a loss that was scaled, as
 * PyTorch's GradScaler and Keras on JAX do. `unscaleGradients` divides.
 *
 * @param grads gradients in the structure of the parameters; those that are missing are passed over
 * @param factor finite
 * @throws OptionError, DisposedError
 * @example
 * scaleGradients(gradients, 1 / 1024);
 */
export function scaleGradients(grads: Gradients, factor: number): void {
  checkFinite("factor", factor, -Number.MAX_VALUE);
  for (const { values } of blocksOf("grads", grads).values()) multiply(values, f(factor));
}

/**
 * Divides every gradient by the scale of its loss, in place, as Keras does with `loss_scale_factor`. For a scale that is
 * no power of two this is not the product with 1/scale, which `scaleGradients` makes.
 *
 * @param grads gradients in the structure of the parameters; those that are missing are passed over
 * @param scale from 2⁻¹²⁶ to 2¹²⁷
 * @throws OptionError, DisposedError
 * @example
 * unscaleGradients(gradients, 1000);
 * @see Keras keras/src/optimizers/base_optimizer.py
 */
export function unscaleGradients(grads: Gradients, scale: number): void {
  checkNumber("scale", scale, 2 ** -126, 2 ** 127);
  const divisor = f(scale);
  for (const { values } of blocksOf("grads", grads).values()) {
    for (let i = 0; i < values.length; i++) values[i]! /= divisor;
  }
}

/**
 * Clamps every element of the gradients to ±bound, in place; NaN stays NaN.
 *
 * @param bound > 0
 * @throws OptionError, DisposedError
 * @example
 * clipGradientValues(gradients, 0.5);
 * @see PyTorch's clip_grad_value_, Optax's clip
 */
export function clipGradientValues(grads: Gradients, bound: number): void {
  checkBound("bound", bound);
  for (const { values } of blocksOf("grads", grads).values()) clamp(values, f(bound));
}

/** Options of `clipGradientNorm`. */
export interface ClipGradientNormOptions {
  /** Whose formula it is. Default `"pytorch"`. */
  dialect?: "pytorch" | "optax";
}

/**
 * Brings the norm over all gradients down to `bound`, in place, and returns what it was: PyTorch's `clip_grad_norm_`,
 * g·min(1, (1/(‖g‖ + 1e-6))·bound), or Optax's `clip_by_global_norm`, (g·(1/‖g‖))·bound from ‖g‖ = bound on.
 * The same as the option `globalClipNorm` in these dialects, which saves a pass over the gradients.
 *
 * Numerics: a tensor's sum of squares is made in float64 and rounded to float32 once; PyTorch adds those of the tensors
 * in float32, Optax's are added before they are rounded.
 *
 * @param bound > 0
 * @throws OptionError, DisposedError
 * @example
 * const norm = clipGradientNorm(gradients, 1);
 */
export function clipGradientNorm(grads: Gradients, bound: number, options: ClipGradientNormOptions = {}): number {
  checkBound("bound", bound);
  checkKeys("options", options, ["dialect"]);
  const { dialect = "pytorch" } = options;
  checkChoice("dialect", dialect, ["pytorch", "optax"]);
  const blocks = [...blocksOf("grads", grads).values()];
  const sums = blocks.map(({ values }) => sumOfSquares(values, 0, values.length));
  const c = f(bound);
  if (dialect === "optax") {
    const total = norm(sums.reduce((sum, each) => sum + each, 0));
    if (total < c) return total;
    for (const { values } of blocks) {
      multiply(values, f(1 / total));
      multiply(values, c);
    }
    return total;
  }
  const total = f(Math.sqrt(sums.reduce((sum, each) => f(sum + f(norm(each) * norm(each))), 0)));
  const factor = Math.min(f(f(1 / f(total + f(1e-6))) * c), 1);
  for (const { values } of blocks) multiply(values, factor);
  return total;
}

/**
 * Divides each gradient whose root mean square is above the threshold by the ratio, in place.
 *
 * @param threshold > 0
 * @throws OptionError, DisposedError
 * @example
 * clipGradientBlocks(gradients, 1);
 * @see Optax's clip_by_block_rms
 */
export function clipGradientBlocks(grads: Gradients, threshold: number): void {
  checkBound("threshold", threshold);
  for (const { values } of blocksOf("grads", grads).values()) {
    if (values.length === 0) continue;
    const mean = f(f(sumOfSquares(values, 0, values.length)) / values.length);
    const ratio = f(f(Math.sqrt(mean)) * f(1 / f(threshold)));
    multiply(values, f(1 / Math.max(1, ratio)));
  }
}

/**
 * Adaptive gradient clipping, in place: each unit's gradient to at most `ratio` times the norm of the unit's weights. A
 * unit is an index of the last axis, which is an output in Lanewise's layouts; a vector is one unit.
 *
 * @param params the parameters, in the same structure
 * @param ratio > 0; the paper has 0.01 to 0.16
 * @param eps > 0, the least norm of weights; default 1e-3
 * @throws OptionError, ShapeError, DisposedError; no gradient has then changed
 * @example
 * clipGradientsAdaptively(gradients, parameters, 0.01);
 * @see Brock et al., High-Performance Large-Scale Image Recognition Without Normalization (2021); Optax's
 *   adaptive_grad_clip, timm's adaptive_clip_grad
 */
export function clipGradientsAdaptively(grads: Gradients, params: ParameterSet, ratio: number, eps = 1e-3): void {
  checkBound("ratio", ratio);
  checkBound("eps", eps);
  const weights = blocksOf("params", params);
  const pairs = Array.from(blocksOf("grads", grads), ([name, gradient]) => {
    const weight = weights.get(name);
    if (weight === undefined) throw new OptionError(`${gradient.path} has no parameter in params`);
    if (weight.values.length === gradient.values.length) return [gradient.values, weight] as const;
    throw new ShapeError(`${gradient.path} has ${gradient.values.length} elements, expected ${weight.values.length}`);
  });
  for (const [g, { values, shape }] of pairs) {
    const units = shape.length < 2 ? 1 : shape[shape.length - 1]!;
    for (let unit = 0; unit < units; unit++) {
      let sumOfGradient = 0;
      let sumOfWeights = 0;
      for (let i = unit; i < g.length; i += units) {
        sumOfGradient += g[i]! * g[i]!;
        sumOfWeights += values[i]! * values[i]!;
      }
      const most = f(f(ratio) * Math.max(norm(sumOfWeights), f(eps)));
      const length = norm(sumOfGradient);
      if (length < most) continue;
      const factor = f(most / Math.max(length, f(1e-6)));
      for (let i = unit; i < g.length; i += units) g[i]! *= factor;
    }
  }
}

/**
 * Clamps every element of the parameters to ±bound, in place: MXNet's `clip_weights`, and the Wasserstein GAN's.
 *
 * @param bound > 0
 * @throws OptionError, DisposedError
 * @example
 * clampParameters(critic.parameters, 0.01);
 */
export function clampParameters(params: ParameterSet, bound: number): void {
  checkBound("bound", bound);
  for (const { values } of blocksOf("params", params).values()) clamp(values, f(bound));
}

/**
 * Gives the parameters the values of their moving averages, for good: Keras's `ema_overwrite_frequency`, called as
 * often as that says.
 *
 * @throws OptionError, DisposedError
 * @example
 * if (optimizer.iterations % 100 === 0) overwriteWithAverages(optimizer);
 */
export function overwriteWithAverages(optimizer: Optimizer): void {
  if (!(optimizer instanceof Optimizer)) throw unexpected("optimizer", optimizer, "an optimizer of lanewise");
  const elements = () => optimizer.parameters.map((each) => (each instanceof Tensor ? each.data : each));
  const averages = optimizer.withAveraged(() => elements().map((each) => each.slice()));
  for (const [i, each] of elements().entries()) each.set(averages[i]!);
}

/**
 * Fills a tensor with the gradient of some rows, and 0 elsewhere: what a step of it does is the dense rule, in which
 * every row's averages decay and its momentum continues. `rows` and `stepRows` leave other rows alone.
 *
 * @param out a Tensor of the parameter's shape
 * @param rowIndices integers from 0 to the length of its first axis − 1; those of one row are added in the order of the list
 * @param grads the gradients of these rows, one after the other
 * @returns out
 * @throws OptionError, ShapeError, DisposedError; out has then not changed
 * @example
 * const gradient = denseRows(core.tensor([1000, 16]), [7, 42], new Float32Array(32).fill(0.1));
 * optimizer.step({ table: gradient });
 */
export function denseRows(out: Tensor, rowIndices: RowIndices, grads: Tensor | Float32Array): Tensor {
  if (!(out instanceof Tensor)) throw unexpected("out", out, "a Tensor");
  out.assertLive("out");
  if (grads instanceof Tensor) grads.assertLive("grads");
  else if (!isFloat32Array(grads)) throw unexpected("grads", grads, "a Tensor or Float32Array");
  const indices = new IndexBuffer().read(rowIndices);
  const source = grads instanceof Tensor ? grads.data : grads;
  const count = out.shape[0] ?? 0;
  const width = count === 0 ? 0 : out.size / count;
  if (source.length !== indices.length * width) {
    throw new ShapeError(`grads has ${source.length} elements, expected ${indices.length * width}`);
  }
  for (const [k, index] of indices.entries()) checkInteger(`rowIndices[${k}]`, index, 0, count - 1);
  const to = out.data.fill(0);
  for (let k = 0; k < indices.length; k++) {
    for (let i = 0; i < width; i++) to[indices[k]! * width + i]! += source[k * width + i]!;
  }
  return out;
}

import { coreFamily } from "./backend/families/core.js";
import { checkBoolean, checkKeys, unexpected } from "./checks.js";
import type { Core } from "./core.js";
import { DisposedError, OptionError, ShapeError } from "./errors.js";
import { type Shape, Tensor } from "./tensor.js";

/** Options of `core.pack`. */
export interface PackOptions {
  /** Pack the transpose of each matrix of `b`: it is then [n, k]. Rank 1 has none. Default false. */
  transposeB?: boolean;
}

/**
 * A constant right operand of `matmul`, in the order in which the kernels read it. Made by `core.pack`. Its memory is
 * freed by `dispose` or with the core, not by `core.scope`.
 */
export class PackedTensor {
  /** Of the operand as products see it, transposed if that was asked for: [k, n], [batch, k, n] or [k]. */
  readonly shape: Shape;
  readonly dtype = "float32";
  readonly core: Core;
  /** A row for each matrix. @internal */
  readonly block: Tensor;

  /** Use `core.pack`. @internal */
  constructor(shape: Shape, block: Tensor) {
    this.shape = Object.freeze(shape);
    this.core = block.core;
    this.block = block;
    this.core.leaks.watch(this, block.size * 4);
  }

  /** @internal */
  get ptr(): number {
    return this.block.ptr;
  }

  /** Gives the memory back; a second call does nothing. */
  dispose(): void {
    this.block.dispose();
    this.core.leaks.forget(this);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  assertLive(name: string): void {
    if (this.ptr !== 0 && !this.core.disposed) return;
    throw new DisposedError(`${name}, a packed operand of shape [${this.shape}], was used after dispose()`);
  }
}

/** `core.pack`. */
export function pack(core: Core, b: Tensor, options: PackOptions): PackedTensor {
  checkKeys("options", options, ["transposeB"]);
  const { transposeB = false } = options;
  checkBoolean("transposeB", transposeB);
  checkTensor("b", b, core);
  checkRank("b", b);
  const rank = b.shape.length;
  const flip = transposeB && rank > 1;
  const [rows, columns] = rank === 1 ? [b.size, 1] : [b.shape[rank - 2]!, b.shape[rank - 1]!];
  const [k, n] = flip ? [columns, rows] : [rows, columns];
  const batch = rank === 3 ? b.shape[0]! : 1;
  // Whole panels: 4, 8 or 16 columns.
  const stride = k * (n <= 4 ? 4 : Math.ceil(n / 16) * 16);
  const kernels = core.kernels(coreFamily);
  const block = core.reserve([batch, stride]);
  for (let i = 0; i < batch; i++) {
    kernels.pack_f32(n, k, b.ptr + 4 * i * k * n, columns, +flip, block.ptr + 4 * i * stride);
  }
  return new PackedTensor(flip ? [...b.shape.slice(0, -2), k, n] : [...b.shape], block);
}

/** What `matmul` multiplies. */
export type Operand = Tensor | PackedTensor;

/** Throws OptionError unless `value` is a tensor of the core, of any if that is undefined; DisposedError. */
export function checkTensor(name: string, value: unknown, core: Core | undefined): asserts value is Tensor {
  if (!(value instanceof Tensor)) throw unexpected(name, value, "a Tensor");
  checkOwned(name, value, core);
}

/** The same for what is known to be an operand. */
export function checkOwned(name: string, value: Operand, core: Core | undefined): void {
  value.assertLive(name);
  if (core !== undefined && value.core !== core) throw new OptionError(`${name} belongs to another core`);
}

/** Throws ShapeError unless the rank is 1, 2 or 3. */
export function checkRank(name: string, { shape }: Operand): void {
  if (shape.length >= 1 && shape.length <= 3) return;
  throw new ShapeError(`${name} has shape [${shape}], expected rank 1, 2 or 3`);
}

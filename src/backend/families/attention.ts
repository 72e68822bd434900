import type { KernelFamily } from "../family.js";
import { attentionKernels } from "../js/attention/attention.js";
import { attentionScratchBytes } from "../js/attention/scratch.js";
import { binary } from "../wasm/binaries/attention.js";

/**
 * Scaled dot-product attention. q, k, v and o are [batch, length, heads, size]; `first` and `count` are pairs of example
 * and head, batch·heads for all of them. `maskPtr` [batch, keys], 0 where a key is hidden, may be 0: absent.
 */
export interface AttentionKernels {
  /** Bytes of scratch that both kernels need. */
  attention_scratch_bytes(queries: number, keys: number, keySize: number, valueSize: number): number;
  /** o = softmax(alpha·q·kᵀ)·v for each pair; with `causal` query i sees keys 0 … i. */
  attention_f32(
    first: number,
    count: number,
    heads: number,
    queries: number,
    keys: number,
    keySize: number,
    valueSize: number,
    causal: number,
    alpha: number,
    qPtr: number,
    kPtr: number,
    vPtr: number,
    maskPtr: number,
    oPtr: number,
    scratchPtr: number,
  ): void;
  /** dq, dk and dv from the operands of `attention_f32` and the gradient of o. */
  attention_backward_f32(
    first: number,
    count: number,
    heads: number,
    queries: number,
    keys: number,
    keySize: number,
    valueSize: number,
    causal: number,
    alpha: number,
    qPtr: number,
    kPtr: number,
    vPtr: number,
    maskPtr: number,
    doPtr: number,
    dqPtr: number,
    dkPtr: number,
    dvPtr: number,
    scratchPtr: number,
  ): void;
}

/** Scratch of one thread, from the arguments of either kernel. */
const scratchOf = (args: ArrayLike<number>) => attentionScratchBytes(args[3]!, args[4]!, args[5]!, args[6]!);

/** Multiply-adds of one product of queries × keys, and of a softmax, for all pairs. */
const scoresWork = (args: ArrayLike<number>, products: number) =>
  args[1]! * args[3]! * args[4]! * (products * (args[5]! + args[6]!) + 12);

export const attentionFamily: KernelFamily<AttentionKernels> = {
  name: "attention",
  binary,
  js: attentionKernels,
  warmUp(kernels) {
    const [q, k, v, o, dq, dk, dv] = [1024, 50000, 100000, 150000, 200000, 250000, 300000] as const;
    const scratch = 350000;
    for (const [queries, keys, size] of [
      [48, 96, 48],
      [72, 72, 16], // two blocks of queries: products that are added to others
      [24, 24, 8],
      [12, 12, 4],
      [3, 3, 3],
      [1, 16, 16],
      [16, 1, 1],
    ] as const) {
      const sizes = [0, 1, 1, queries, keys, size, size, 0, 0.5] as const;
      kernels.attention_f32(...sizes, q, k, v, 0, o, scratch);
      kernels.attention_backward_f32(...sizes, q, k, v, 0, o, dq, dk, dv, scratch);
    }
  },
  shared: {
    attention_f32: {
      count: 1,
      steps: { 0: 1 },
      work: (args) => scoresWork(args, 1),
      scratch: { argument: 14, bytes: scratchOf },
    },
    attention_backward_f32: {
      count: 1,
      steps: { 0: 1 },
      work: (args) => scoresWork(args, 2.5),
      scratch: { argument: 17, bytes: scratchOf },
    },
  },
  scratchBytes: ["attention_scratch_bytes"],
};

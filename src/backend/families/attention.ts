import type { KernelFamily, Operand } from "../family.js";
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

/** A result [batch, length, heads, size] of pairs of example and head; `length` and `size` are indices of arguments. */
const ofPairs = (argument: number, length: number, size: number): Operand => {
  const heads = (args: ArrayLike<number>) => args[2]!;
  /** Heads of an example that a piece has. Cuts are at whole examples, unless there is one. */
  const taken = (args: ArrayLike<number>) => Math.min(args[1]!, heads(args));
  const row = (args: ArrayLike<number>) => 4 * heads(args) * args[size]!;
  const example = (args: ArrayLike<number>) => args[length]! * row(args);
  return {
    argument,
    use: "write",
    offset: (args) => Math.floor(args[0]! / heads(args)) * example(args) + 4 * (args[0]! % heads(args)) * args[size]!,
    blocks: (args) => args[1]! / taken(args),
    blockStride: example,
    rows: (args) => args[length]!,
    stride: row,
    bytes: (args) => 4 * taken(args) * args[size]!,
  };
};

/** Multiply-adds of one product of queries × keys, and of a softmax, for all pairs. */
const scoresWork = (args: ArrayLike<number>, products: number) =>
  args[1]! * args[3]! * args[4]! * (products * (args[5]! + args[6]!) + 12);

/** Where calls are cut: at whole examples, if there are several. */
const wholeExamples = (args: ArrayLike<number>) => (args[1]! > args[2]! ? args[2]! : 1);

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
      grain: wholeExamples,
      operands: [ofPairs(13, 3, 6)],
      work: (args) => scoresWork(args, 1),
      scratch: { argument: 14, bytes: scratchOf },
    },
    attention_backward_f32: {
      count: 1,
      steps: { 0: 1 },
      grain: wholeExamples,
      operands: [ofPairs(14, 3, 5), ofPairs(15, 4, 5), ofPairs(16, 4, 6)],
      work: (args) => scoresWork(args, 2.5),
      scratch: { argument: 17, bytes: scratchOf },
    },
  },
};

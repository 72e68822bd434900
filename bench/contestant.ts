import type { RMSPropOptions } from "lanewise";
import type { Task } from "../measure/task.js";
import type { DeepData, DeepNetwork } from "./deep.js";

/** A product op(A)·op(B), or of each pair of a batch. */
export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Pairs of matrices; 1: plain matrices. */
  readonly batch: number;
  /** A is stored as [k, m]. */
  readonly transposeA: boolean;
  /** B is stored as [n, k]. */
  readonly transposeB: boolean;
  /** Add a bias [n] to each row, then take max(0, x). */
  readonly fused: boolean;
}

/** Numbers that a product takes. */
export interface Operands {
  readonly a: Float32Array<ArrayBuffer>;
  readonly b: Float32Array<ArrayBuffer>;
  readonly bias: Float32Array<ArrayBuffer>;
}

/** Shapes of A and B as they are stored. */
export function storedShapes({ m, n, k, batch, transposeA, transposeB }: Product): { a: number[]; b: number[] } {
  const batches = batch === 1 ? [] : [batch];
  return {
    a: [...batches, ...(transposeA ? [k, m] : [m, k])],
    b: [...batches, ...(transposeB ? [n, k] : [k, n])],
  };
}

/** An optimizer and its options. */
export interface Method {
  /** A dialect of RMSProp, or another optimizer. */
  readonly rule: NonNullable<RMSPropOptions["dialect"]> | "adagrad" | "adam" | "adamw" | "amsgrad" | "sgd";
  readonly centered?: boolean;
  readonly momentum?: boolean;
  /** In how many tensors the parameters are, of about the same size. Default 1. */
  readonly tensors?: number;
}

/** A block cut into pieces of about the same size. */
export function cutInto(values: Float32Array, pieces: number): Float32Array[] {
  const at = (i: number): number => Math.floor((i * values.length) / pieces);
  return Array.from({ length: pieces }, (_, i) => values.subarray(at(i), at(i + 1)));
}

/** A network of dense layers, trained on one batch by RMSProp and the mean squared error. */
export interface Network {
  /** Inputs, hidden layers, outputs. */
  readonly widths: readonly number[];
  /** Between the layers, not after the last. */
  readonly activation: "tanh" | "relu";
  readonly batch: number;
  /** brain.js's way: a step of SGD after each row, and the activation after the last layer, too. */
  readonly byRow?: true;
}

/** Everybody's options of a training step; an eps so small that inside and outside of the root are the same. */
export const TRAINING = { learningRate: 1e-4, decay: 0.9, eps: 1e-16 } as const;

/** The learning rate of SGD after each row. */
export const ROW_LEARNING_RATE = 1e-2;

/** What a network starts from: [inputs, outputs] weights and a bias a layer, and the batch. */
export interface TrainingData {
  readonly layers: readonly { readonly weight: Float32Array; readonly bias: Float32Array }[];
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/** Somebody who is measured: a Lanewise core, a plain loop, a peer. A kind of work that it lacks is left out. */
export interface Contestant {
  readonly name: string;
  /** Its results have the bits of the first contestant's. Default: they are within the bound of rounding errors. */
  readonly exact?: boolean;
  /** Below some GFLOP/s: left out where a single run takes seconds. */
  readonly slow?: boolean;
  /** Called before each turn. */
  prepare?(): void | Promise<void>;
  product?(product: Product, operands: Operands): Task | undefined | Promise<Task | undefined>;
  step?(method: Method, parameters: Float32Array, gradients: Float32Array): Task | undefined;
  network?(network: Network, data: TrainingData): Task | undefined;
  deep?(network: DeepNetwork, data: DeepData): Task | undefined;
}

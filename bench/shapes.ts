import type { Product } from "./contestant.js";

/** A product to measure, under a name. */
export interface Shape extends Product {
  readonly name: string;
  /** Where it comes from in the world; the layers all have one. */
  readonly origin?: string;
}

/** Shapes of one kind. */
export interface ShapeFamily {
  readonly title: string;
  /** What counts: arithmetic, reading the matrices, or the time per call. */
  readonly unit: "GFLOP/s" | "GB/s" | "time";
  readonly shapes: readonly Shape[];
}

/** What the four forms transpose, in BLAS' letters. */
type Form = "NN" | "NT" | "TN" | "TT";

function shape(
  m: number,
  n: number,
  k: number,
  more: { form?: Form; batch?: number; fused?: boolean; origin?: string } = {},
): Shape {
  const { form = "NN", batch = 1, fused = false, origin } = more;
  const size = `${batch > 1 ? `${batch} of ` : ""}${m} × ${n} × ${k}`;
  return {
    name: `${size}${form === "NN" ? "" : ` ${form}`}${fused ? " + bias, relu" : ""}`,
    m,
    n,
    k,
    batch,
    transposeA: form[0] === "T",
    transposeB: form[1] === "T",
    fused,
    ...(origin !== undefined && { origin }),
  };
}

const FORMS: readonly Form[] = ["NN", "NT", "TN", "TT"];
const NARROW = [2, 4, 8];
const VECTORS = [64, 256, 1024, 2048];

const MNIST = "MNIST, 784-128-10, 64 images";
const DQN = "DQN (Mnih et al., Nature 2015)";
const BERT = "BERT-tiny (Turc et al. 2019), 128 tokens";
const MINILM = "MiniLM-L6-H384 (Wang et al. 2020), 128 tokens";
const DLRM = "DLRM, dlrm_s_criteo_kaggle.sh (Naumov et al. 2019), 128 samples";
const WIDE_DEEP = "Wide & Deep (Cheng et al. 2016), 256 samples";
const NCF = "NCF, layers 64-32-16-8 (He et al. 2017), 256 pairs";

/** m × n × k of A [m, k] and B [k, n], by family. */
export const SHAPES: Readonly<Record<string, ShapeFamily>> = {
  calls: {
    title: "cost of a call",
    unit: "time",
    shapes: [1, 2, 4, 8].map((n) => shape(n, n, n)),
  },
  square: {
    title: "square products",
    unit: "GFLOP/s",
    shapes: [8, 16, 32, 64, 128, 256, 512, 1024].map((n) => shape(n, n, n)),
  },
  forms: {
    title: "transposed operands",
    unit: "GFLOP/s",
    shapes: [256, 512].flatMap((n) => FORMS.map((form) => shape(n, n, n, { form }))),
  },
  odd: {
    title: "odd sizes and primes",
    unit: "GFLOP/s",
    shapes: [shape(257, 129, 511), shape(61, 67, 71), shape(127, 127, 127), shape(251, 241, 239), shape(509, 503, 499)],
  },
  narrow: {
    title: "one narrow dimension",
    unit: "GFLOP/s",
    shapes: [
      ...NARROW.map((m) => shape(m, 512, 512)),
      ...NARROW.map((n) => shape(512, n, 512)),
      ...[1, ...NARROW].map((k) => shape(512, 512, k)),
    ],
  },
  vectors: {
    title: "matrix × vector, vector × matrix",
    unit: "GB/s",
    shapes: [...VECTORS.map((n) => shape(n, 1, n)), ...VECTORS.map((n) => shape(1, n, n))],
  },
  batched: {
    title: "batches of small products",
    unit: "GFLOP/s",
    shapes: [
      shape(8, 8, 8, { batch: 256 }),
      shape(16, 16, 16, { batch: 256 }),
      shape(32, 32, 32, { batch: 64 }),
      shape(64, 64, 64, { batch: 16 }),
    ],
  },
  fused: {
    title: "bias and relu in the product",
    unit: "GFLOP/s",
    shapes: [32, 128, 512].flatMap((n) => [shape(n, n, n), shape(n, n, n, { fused: true })]),
  },
  layers: {
    title: "layers",
    unit: "GFLOP/s",
    shapes: [
      shape(64, 128, 784, { fused: true, origin: `${MNIST}: first layer` }),
      shape(784, 128, 64, { form: "TN", origin: `${MNIST}: gradient of the first weights` }),
      shape(64, 10, 128, { origin: `${MNIST}: last layer` }),
      shape(64, 128, 10, { form: "NT", origin: `${MNIST}: gradient of the hidden layer` }),
      shape(400, 32, 256, { fused: true, origin: `${DQN}: first convolution as a product` }),
      shape(81, 64, 512, { fused: true, origin: `${DQN}: second convolution` }),
      shape(49, 64, 576, { fused: true, origin: `${DQN}: third convolution` }),
      shape(32, 512, 3136, { fused: true, origin: `${DQN}: dense layer, 32 transitions` }),
      shape(3136, 512, 32, { form: "TN", origin: `${DQN}: gradient of its weights` }),
      shape(32, 18, 512, { origin: `${DQN}: values of 18 actions` }),
      shape(128, 128, 128, { origin: `${BERT}: a projection` }),
      shape(128, 128, 64, { form: "NT", batch: 2, origin: `${BERT}: scores of 2 heads` }),
      shape(128, 512, 128, { origin: `${BERT}: feed-forward, up` }),
      shape(128, 384, 384, { origin: `${MINILM}: a projection` }),
      shape(128, 128, 32, { form: "NT", batch: 12, origin: `${MINILM}: scores of 12 heads` }),
      shape(128, 32, 128, { batch: 12, origin: `${MINILM}: values of 12 heads` }),
      shape(128, 1536, 384, { origin: `${MINILM}: feed-forward, up` }),
      shape(128, 384, 1536, { origin: `${MINILM}: feed-forward, down` }),
      shape(128, 512, 13, { fused: true, origin: `${DLRM}: dense features` }),
      shape(128, 256, 512, { fused: true, origin: `${DLRM}: second layer` }),
      shape(27, 27, 16, { form: "NT", batch: 128, origin: `${DLRM}: dot products of 27 vectors` }),
      shape(128, 512, 367, { fused: true, origin: `${DLRM}: top tower` }),
      shape(256, 512, 1024, { fused: true, origin: `${WIDE_DEEP}: second layer` }),
      shape(256, 256, 512, { fused: true, origin: `${WIDE_DEEP}: third layer` }),
      shape(256, 32, 64, { fused: true, origin: `${NCF}: first layer` }),
      shape(256, 8, 16, { fused: true, origin: `${NCF}: last layer` }),
    ],
  },
};

/** Floating-point operations of a product. */
export function flopsOf({ m, n, k, batch }: Product): number {
  return 2 * batch * m * n * k;
}

/** Bytes of A, B and C. */
export function bytesOf({ m, n, k, batch }: Product): number {
  return 4 * batch * (m * k + k * n + m * n);
}

// What a contestant uses of Lanewise, so that other builds of the package can be measured by the same code.
import { availableParallelism } from "node:os";
import type { Core, CoreOptions, Tensor } from "lanewise";
import { sharesMemory } from "../measure/compare.js";
import { STEP } from "../measure/task.js";
import { type Contestant, cutInto, type Method, ROW_LEARNING_RATE, storedShapes, TRAINING } from "./contestant.js";

/** The name of the core that the others are held against. */
export const BASELINE = "simd";
/** The name of the JavaScript core. */
export const FALLBACK = "js";

const THREADS = Math.min(4, Math.max(2, availableParallelism()));

/** Cores to measure; `runs` says whether one got what it asked for. The last one sets flags of V8. */
export const CORES: readonly { name: string; options: CoreOptions; runs: (core: Core) => boolean }[] = [
  { name: BASELINE, options: {}, runs: ({ variant }) => variant === "simd" },
  { name: "relaxed", options: { arithmetic: "relaxed" }, runs: ({ variant }) => variant.startsWith("relaxed") },
  { name: `${THREADS} threads`, options: { threads: THREADS }, runs: sharesMemory },
  { name: FALLBACK, options: { backend: "js" }, runs: ({ backend }) => backend === "js" },
  { name: "wide", options: { wide: true }, runs: ({ features }) => features.wide },
];

/** A build of Lanewise: the exports of `lanewise` and `lanewise/nn` together. */
export type Library = Pick<
  typeof import("lanewise"),
  "AdaGrad" | "Adam" | "AdamW" | "RMSProp" | "SGD" | "createCore" | "matmul"
> &
  Pick<typeof import("lanewise/nn"), "Sequential" | "Trainer" | "dense" | "meanSquaredError" | "relu" | "tanh">;

/** The work of every bench on a core of `library`; `exact` and `slow` as in Contestant. */
export function contestantOf(
  library: Library,
  name: string,
  core: Core,
  { exact = true, slow = false }: { exact?: boolean; slow?: boolean } = {},
): Contestant {
  return {
    name,
    exact,
    slow,
    product(product, operands) {
      const { m, n, batch, transposeA, transposeB, fused } = product;
      const shapes = storedShapes(product);
      const a = core.tensor(shapes.a, operands.a);
      const b = core.tensor(shapes.b, operands.b);
      const bias = core.tensor([n], operands.bias);
      const out = core.tensor(batch === 1 ? [m, n] : [batch, m, n]);
      const options = { out, transposeA, transposeB, ...(fused && { bias, activation: "relu" as const }) };
      const { matmul } = library;
      return {
        run: () => {
          matmul(a, b, options);
        },
        read: () => out.data.slice(),
        dispose: disposing(a, b, bias, out),
      };
    },
    step(method, parameters, gradients) {
      const { tensors = 1 } = method;
      const tensorsOf = (values: Float32Array) =>
        cutInto(values, tensors).map((piece) => core.tensor([piece.length], piece));
      const p = tensorsOf(parameters);
      const g = tensorsOf(gradients);
      const optimizer = optimizerOf(library, method, core, p);
      return {
        run: () => optimizer.step(g),
        read: () => {
          const all = new Float32Array(parameters.length);
          let at = 0;
          for (const { data } of p) {
            all.set(data, at);
            at += data.length;
          }
          return all;
        },
        dispose: disposing(optimizer, ...p, ...g),
      };
    },
    network({ widths, activation, batch, byRow }, data) {
      const { dense, meanSquaredError, RMSProp, relu, Sequential, SGD, Trainer, tanh } = library;
      const between = activation === "tanh" ? tanh : relu;
      const layers = widths.slice(1).flatMap((width, i) => [...(i ? [between()] : []), dense(widths[i]!, width)]);
      if (byRow) layers.push(between());
      const model = new Sequential(core, layers);
      data.layers.forEach(({ weight, bias }, i) => {
        model.parameters[`${2 * i}.weight`]!.set(weight);
        model.parameters[`${2 * i}.bias`]!.set(bias);
      });
      const trainer = new Trainer(model, {
        loss: meanSquaredError(),
        optimizer: (named) =>
          byRow ? new SGD(core, named, { learningRate: ROW_LEARNING_RATE }) : new RMSProp(core, named, TRAINING),
      });
      const rows = byRow ? 1 : batch;
      const cut = (values: Float32Array, width: number) =>
        Array.from({ length: batch / rows }, (_, i) =>
          core.tensor([rows, width], values.subarray(i * rows * width, (i + 1) * rows * width)),
        );
      const [xs, ys] = [cut(data.x, widths[0]!), cut(data.y, widths.at(-1)!)];
      let loss = Number.NaN;
      return {
        run: () => {
          loss = 0;
          for (let i = 0; i < xs.length; i++) loss += trainer.step(xs[i]!, ys[i]!);
          loss /= xs.length;
        },
        read: () => Float32Array.of(loss),
        dispose: disposing(trainer, model, ...xs, ...ys),
      };
    },
  };
}

function optimizerOf(
  { AdaGrad, Adam, AdamW, RMSProp, SGD }: Library,
  { rule, centered = false, momentum: hasMomentum = false }: Method,
  core: Core,
  p: Tensor[],
) {
  const { learningRate, decay, eps, centeredEps } = STEP;
  const momentum = hasMomentum ? { momentum: STEP.momentum } : {};
  switch (rule) {
    case "adagrad":
      return new AdaGrad(core, p, { learningRate, eps });
    case "adam":
      return new Adam(core, p, { learningRate, eps });
    case "adamw":
      return new AdamW(core, p, { learningRate, eps });
    case "amsgrad":
      return new Adam(core, p, { learningRate, eps, amsgrad: true });
    case "sgd":
      return new SGD(core, p, { learningRate, ...momentum });
    default: {
      const options = { dialect: rule, learningRate, decay, centered, ...momentum };
      return new RMSProp(core, p, { ...options, eps: centered ? centeredEps : eps });
    }
  }
}

function disposing(...things: { dispose(): void }[]): () => void {
  return () => {
    for (const thing of things) thing.dispose();
  };
}

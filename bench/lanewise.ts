import { availableParallelism } from "node:os";
import {
  AdaGrad,
  Adam,
  AdamW,
  type Core,
  type CoreOptions,
  createCore,
  matmul,
  RMSProp,
  SGD,
  type Tensor,
} from "lanewise";
import { dense, meanSquaredError, relu, Sequential, Trainer, tanh } from "lanewise/nn";
import { sharesMemory } from "./compare.js";
import { type Contestant, type Method, STEP, storedShapes, TRAINING } from "./contestant.js";

/** The name of the core that the others are held against. */
export const BASELINE = "simd";
/** The name of the JavaScript core. */
export const FALLBACK = "js";

const THREADS = Math.min(4, Math.max(2, availableParallelism()));

/** Cores to measure; `runs` says whether one got what it asked for. The last one sets flags of V8. */
const KINDS: readonly { name: string; options: CoreOptions; runs: (core: Core) => boolean }[] = [
  { name: BASELINE, options: {}, runs: ({ variant }) => variant === "simd" },
  { name: "relaxed", options: { arithmetic: "relaxed" }, runs: ({ variant }) => variant.startsWith("relaxed") },
  { name: `${THREADS} threads`, options: { threads: THREADS }, runs: sharesMemory },
  { name: FALLBACK, options: { backend: "js" }, runs: ({ backend }) => backend === "js" },
  { name: "wide", options: { wide: true }, runs: ({ features }) => features.wide },
];

/** Makes the cores; `notes` says what each runs. One that fell back is not measured under a false name. */
export async function lanewiseContestants(): Promise<{ contestants: Contestant[]; notes: string[] }> {
  const contestants: Contestant[] = [];
  const notes: string[] = [];
  for (const { name, options, runs } of KINDS) {
    const core = await createCore(options);
    const { variant, reason } = core;
    if (runs(core)) {
      contestants.push(contestantOf(name, core));
      notes.push(`${name}: ${variant} (${reason})`);
    } else {
      notes.push(`${name}: left out, it would be ${variant} (${reason})`);
      core.dispose();
    }
  }
  return { contestants, notes };
}

function contestantOf(name: string, core: Core): Contestant {
  return {
    name,
    exact: name !== "relaxed",
    slow: name === FALLBACK,
    product(product, operands) {
      const { m, n, batch, transposeA, transposeB, fused } = product;
      const shapes = storedShapes(product);
      const a = core.tensor(shapes.a, operands.a);
      const b = core.tensor(shapes.b, operands.b);
      const bias = core.tensor([n], operands.bias);
      const out = core.tensor(batch === 1 ? [m, n] : [batch, m, n]);
      const options = { out, transposeA, transposeB, ...(fused && { bias, activation: "relu" as const }) };
      return {
        run: () => {
          matmul(a, b, options);
        },
        read: () => out.data.slice(),
        dispose: disposing(a, b, bias, out),
      };
    },
    step(method, parameters, gradients) {
      const p = core.tensor([parameters.length], parameters);
      const g = core.tensor([gradients.length], gradients);
      const optimizer = optimizerOf(method, core, p);
      return {
        run: () => optimizer.step(g),
        read: () => p.data.slice(),
        dispose: disposing(optimizer, p, g),
      };
    },
    network({ widths, activation, batch }, data) {
      const between = activation === "tanh" ? tanh : relu;
      const layers = widths.slice(1).flatMap((width, i) => [...(i ? [between()] : []), dense(widths[i]!, width)]);
      const model = new Sequential(core, layers);
      data.layers.forEach(({ weight, bias }, i) => {
        model.parameters[`${2 * i}.weight`]!.set(weight);
        model.parameters[`${2 * i}.bias`]!.set(bias);
      });
      const trainer = new Trainer(model, {
        loss: meanSquaredError(),
        optimizer: (named) => new RMSProp(core, named, TRAINING),
      });
      const x = core.tensor([batch, widths[0]!], data.x);
      const y = core.tensor([batch, widths.at(-1)!], data.y);
      let loss = Number.NaN;
      return {
        run: () => {
          loss = trainer.step(x, y);
        },
        read: () => Float32Array.of(loss),
        dispose: disposing(trainer, model, x, y),
      };
    },
  };
}

function optimizerOf({ rule, centered = false, momentum: hasMomentum = false }: Method, core: Core, p: Tensor) {
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

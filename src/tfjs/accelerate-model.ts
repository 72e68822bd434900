import { ready } from "@tensorflow/tfjs-core";
import { unexpected } from "../checks.js";
import type { TfModel } from "./model/tfjs-model.js";

/** A model of TensorFlow.js: a `tf.LayersModel` or a `tf.Sequential`. */
export interface LayersModel {
  readonly name: string;
  getClassName(): string;
  predict(...args: never[]): unknown;
  fit(...args: never[]): unknown;
}

/** What `accelerateModel` did. */
export interface ModelAcceleration {
  /** Names of the layers that Lanewise computes: all of the model, or none. */
  readonly layers: readonly string[];
  /** What Lanewise lacks, by the name of the layer, and why. With anything in it the model computes as before. */
  readonly left: { readonly [part: string]: string };
  /** Takes it back. */
  restore(): void;
}

const accelerated = new WeakMap<object, ModelAcceleration>();

/**
 * Lets Lanewise compute a compiled model: `fit`, `fitDataset`, `trainOnBatch`, `evaluate`, `evaluateDataset` and `predict`
 * then run as one graph over the model's own weights, with TensorFlow.js's arguments, logs, callbacks and history. On the
 * wasm backend the weights stay where they are; on others they are copied. It remains an ordinary model, with an optimizer
 * that has its state: it can be saved, given weights, compiled anew.
 *
 * Numerics: results differ from TensorFlow.js's in the last digits. Cross-entropies are computed from what enters the last
 * softmax or sigmoid, where TensorFlow.js clips probabilities at 1e-7.
 *
 * @returns which layers Lanewise computes, or what it lacks; the same object until `restore()`
 * @throws OptionError
 * @example
 * model.compile({ optimizer: "adam", loss: "categoricalCrossentropy", metrics: ["accuracy"] });
 * const { left } = await accelerateModel(model);
 * await model.fit(x, y, { epochs: 5 });
 */
export async function accelerateModel(model: LayersModel): Promise<ModelAcceleration> {
  if (typeof model?.getClassName !== "function" || typeof model.fit !== "function") {
    throw unexpected("model", model, "a LayersModel of TensorFlow.js");
  }
  await ready();
  const { Installation } = await import("./model/install.js");
  const known = accelerated.get(model);
  if (known !== undefined) return known;
  // A Sequential has the model that computes inside, and makes another when it is built anew, as by `compile`.
  const outer = model as unknown as { model?: TfModel };
  let inner = outer.model;
  const installation = new Installation(inner ?? (model as unknown as TfModel));
  const acceleration: ModelAcceleration = {
    get layers() {
      return installation.layers;
    },
    get left() {
      return installation.left;
    },
    restore() {
      if (accelerated.get(model) !== acceleration) return;
      accelerated.delete(model);
      installation.restore();
      if (inner !== undefined) Object.defineProperty(outer, "model", { ...PLAIN, value: inner, writable: true });
    },
  };
  if (Object.keys(installation.left).length > 0) return acceleration;
  accelerated.set(model, acceleration);
  if (inner !== undefined) {
    Object.defineProperty(outer, "model", {
      ...PLAIN,
      get: () => inner,
      set(made: TfModel) {
        inner = made;
        installation.move(made);
      },
    });
  }
  return acceleration;
}

const PLAIN = { configurable: true, enumerable: true };

import { writeCheckpoint } from "../../checkpoint/checkpoint.js";
import type { Bytes } from "../../checkpoint/dtypes.js";
import { checkKeys, unexpected } from "../../checks.js";
import { OptionError } from "../../errors.js";
import { Model } from "../model.js";
import type { Trainer } from "../trainer.js";
import { architectureOf } from "./architecture.js";
import { checkJson, type Json } from "./json.js";

/** Options of `saveModel`. */
export interface SaveModelOptions {
  /** The trainer of the model: its optimizer's state and its random numbers are saved too, so that training can resume. */
  trainer?: Trainer;
  /** Data of your own as JSON has them: labels, what a `standardizer` has fitted, a version. */
  metadata?: Json;
}

/**
 * Saves a model as one safetensors file: its layers and how they are connected, parameters, buffers, and what the options
 * say. The same model gives the same bytes on every backend. Functions are not in the file: initializers, losses,
 * schedules.
 *
 * @param model a `Sequential` or a `Model`
 * @param options see `SaveModelOptions`
 * @returns the file, for `loadModel`; `loadCheckpoint` and other readers of safetensors take it too
 * @throws OptionError, DisposedError
 * @example
 * const bytes = saveModel(model, { trainer, metadata: { labels: ["cat", "dog"] } });
 */
export function saveModel(model: Model, options: SaveModelOptions = {}): Bytes {
  if (!(model instanceof Model)) throw unexpected("model", model, "a Sequential or a Model");
  model.assertLive();
  checkKeys("options", options, ["trainer", "metadata"]);
  const { trainer, metadata } = options;
  if (trainer !== undefined && trainer?.model !== model) {
    throw unexpected("options.trainer", trainer, "the trainer of this model");
  }
  if (metadata !== undefined) checkJson("options.metadata", metadata, unexpected);
  const layer = model.layers.find(({ kind }) => typeof kind !== "string" || kind === "");
  if (layer !== undefined) throw new OptionError("a layer's kind is empty, expected the name of its function");
  return writeCheckpoint(
    { parameters: model, ...(trainer && { optimizer: trainer }) },
    // As text, which has its own limit: long lists of labels are no sign of a hostile file.
    { model: architectureOf(model), ...(metadata !== undefined && { metadata: JSON.stringify(metadata) }) },
  );
}

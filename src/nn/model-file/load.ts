import { readAbout } from "../../checkpoint/about.js";
import { parseJson } from "../../checkpoint/json.js";
import { loadCheckpoint } from "../../checkpoint/load.js";
import { type Packed, unpack } from "../../checkpoint/plain.js";
import { type Safetensors, type SafetensorsLimits, toSafetensors } from "../../checkpoint/safetensors.js";
import { checkKeys, unexpected } from "../../checks.js";
import { Core } from "../../core.js";
import { CheckpointError } from "../../errors.js";
import { isRecord } from "../../optim/parameters.js";
import type { Model } from "../model.js";
import { type ModelOptimizer, Trainer, type TrainerOptions } from "../trainer.js";
import { readArchitecture } from "./architecture.js";
import { buildModel } from "./build.js";
import { checkJson, type Json, refusal } from "./json.js";
import { checkLayerFunctions, type LayerFunctions } from "./layers.js";

/** Options of `loadModel`. */
export interface LoadModelOptions {
  /**
   * The functions that the file may use, by the kind of the layers that they make: `{ dense, relu, conv2d }`, or `nn`
   * from `import * as nn from "lanewise/nn"`. Functions of your own layers are among them: `{ ...nn, double }`.
   */
  layers: LayerFunctions;
  /** See `readSafetensors`. */
  limits?: SafetensorsLimits;
}

/** Options of `loadModel` for a model that is to be trained. */
export interface LoadTrainerOptions<Optimizer extends ModelOptimizer> extends LoadModelOptions {
  /** What its trainer is made with, as when it was saved. */
  trainer: TrainerOptions<Optimizer>;
}

/** What `loadModel` returns. */
export interface LoadedModel {
  readonly model: Model;
  /** What was given to `saveModel`, if anything was. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON of the caller, as JSON.parse returns it
  readonly metadata: any;
}

/** Values of metadata: of a vocabulary, for instance. */
const METADATA_VALUES = 10_000_000;

/**
 * Makes the model that `saveModel` has saved, and with `trainer` its trainer, which resumes training with the same bits.
 *
 * The file is not trusted. Everything it says is checked before a layer is made, it can use no functions but those in
 * `layers`, and before memory is allocated for a parameter the file must have a tensor of its shape. What it has for
 * the trainer is loaded if there is any. State that stateful layers carry between batches is not in a file.
 *
 * @param core where the model's parameters are to be
 * @param bytes the file, an `ArrayBuffer` too, or what `readSafetensors` returns
 * @param options see `LoadModelOptions`
 * @throws CheckpointError naming what is damaged, missing or unknown; OptionError, OutOfMemoryError, DisposedError.
 *   Nothing is then allocated
 * @example
 * const { model, metadata } = loadModel(core, bytes, { layers: { dense, relu } });
 * @example
 * const optimizer = (parameters) => new RMSProp(core, parameters, { learningRate: 1e-3 });
 * const { trainer } = loadModel(core, bytes, { layers: nn, trainer: { loss: softmaxCrossEntropy(), optimizer } });
 */
export function loadModel<Optimizer extends ModelOptimizer>(
  core: Core,
  bytes: Uint8Array | ArrayBuffer | Safetensors,
  options: LoadTrainerOptions<Optimizer>,
): LoadedModel & { readonly trainer: Trainer<Optimizer> };
export function loadModel(
  core: Core,
  bytes: Uint8Array | ArrayBuffer | Safetensors,
  options: LoadModelOptions,
): LoadedModel;
export function loadModel(
  core: Core,
  bytes: Uint8Array | ArrayBuffer | Safetensors,
  options: LoadModelOptions & Partial<LoadTrainerOptions<ModelOptimizer>>,
): LoadedModel & { trainer?: Trainer } {
  if (!(core instanceof Core)) throw unexpected("core", core, "a Core");
  core.assertLive();
  checkKeys("options", options, ["layers", "trainer", "limits"]);
  const { layers, trainer: trainerOptions, limits } = options;
  checkLayerFunctions(layers);
  const file = toSafetensors(bytes, limits);
  const about = readAbout(file, 0) as unknown as Record<string, Packed>;
  if (!isRecord(about.model)) {
    throw new CheckpointError("the file has no model, expected what saveModel returns: loadCheckpoint may read it");
  }
  const architecture = readArchitecture("model", unpack(about.model, "model", new Map(file.tensors), true), layers);
  const metadata = about.metadata === undefined ? undefined : readMetadata(about.metadata);
  const model = buildModel(core, architecture, layers, file);
  let trainer: Trainer | undefined;
  try {
    if (trainerOptions !== undefined) trainer = new Trainer(model, trainerOptions);
    const hasState = trainer !== undefined && about.optimizer !== undefined;
    loadCheckpoint(file, { parameters: model, ...(hasState && { optimizer: trainer! }) });
  } catch (error) {
    trainer?.dispose();
    model.dispose();
    throw error;
  }
  return { model, metadata, ...(trainer && { trainer }) };
}

function readMetadata(text: unknown): Json {
  const metadata = parseJson("metadata", text, METADATA_VALUES);
  checkJson("metadata", metadata, (path, value, expected) => new CheckpointError(refusal(path, value, expected)));
  return metadata;
}

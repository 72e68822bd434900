import { checkRecord, parseJson } from "../../checkpoint/json.js";
import { loadCheckpoint } from "../../checkpoint/load.js";
import type { Safetensors } from "../../checkpoint/safetensors.js";
import { checkKeys, unexpected } from "../../checks.js";
import type { Core } from "../../core.js";
import type { Model } from "../model.js";
import { type Architecture, readArchitecture } from "../model-file/architecture.js";
import { buildModel } from "../model-file/build.js";
import { checkLayerFunctions, type LayerFunctions } from "../model-file/layers.js";

/** Options of `importTfjs` and `importKeras`. */
export interface ImportOptions {
  /** The functions that layers are made with, as in `loadModel`. */
  layers: LayerFunctions;
}

/** Values of the JSON of a model. */
const VALUES = 1_000_000;

/** The record that JSON is, from its text or parsed already. */
export function readJson(name: string, file: string, value: unknown): Record<string, unknown> {
  let text: unknown = value;
  try {
    if (typeof value !== "string") text = JSON.stringify(value);
  } catch {
    throw unexpected(name, value, "the text of a JSON file, or what was parsed from it");
  }
  return checkRecord(file, parseJson(file, text, VALUES));
}

export function checkImportOptions(options: ImportOptions): LayerFunctions {
  checkKeys("options", options, ["layers"]);
  checkLayerFunctions(options.layers);
  return options.layers;
}

/** The model of an architecture, with weights by the names that they have here. */
export function importModel(
  core: Core,
  architecture: Architecture,
  layers: LayerFunctions,
  tensors: Safetensors["tensors"],
): Model {
  const file: Safetensors = { tensors, metadata: {} };
  const model = buildModel(core, readArchitecture("model", architecture, layers), layers, file);
  try {
    loadCheckpoint(file, { parameters: model });
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}

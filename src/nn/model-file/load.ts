import { readAbout } from "../../checkpoint/about.js";
import { parseJson } from "../../checkpoint/json.js";
import { loadCheckpoint } from "../../checkpoint/load.js";
import { type Packed, unpack } from "../../checkpoint/plain.js";
import { type Safetensors, type SafetensorsLimits, toSafetensors } from "../../checkpoint/safetensors.js";
import { checkKeys, quote, unexpected } from "../../checks.js";
import { Core } from "../../core.js";
import { CheckpointError, DisposedError, OutOfMemoryError } from "../../errors.js";
import { isRecord } from "../../optim/parameters.js";
import type { Layer, ParameterSpec } from "../layer.js";
import { Model } from "../model.js";
import { input, type SymbolicTensor } from "../symbolic.js";
import { type ModelOptimizer, Trainer, type TrainerOptions } from "../trainer.js";
import { type Architecture, checkShape, readArchitecture } from "./architecture.js";
import { checkJson, type Json, refusal } from "./json.js";
import { type LayerFunctions, makeLayer } from "./layers.js";

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
  readonly metadata: Json | undefined;
}

/** Values of metadata: of a vocabulary, for instance. */
const METADATA_VALUES = 10_000_000;

/**
 * Makes the model that `saveModel` has saved, and with `trainer` its trainer, which goes on with the same bits.
 *
 * The file is not trusted. Everything it says is checked before a layer is made, it can use no functions but those in
 * `layers`, and before memory is allocated for a parameter the file must have a tensor of its shape. What it has for
 * the trainer is loaded if there is any. State that stateful layers carry between batches is not in a file.
 *
 * @param core where the model's parameters are to be
 * @param bytes the file, or what `readSafetensors` has made of it
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
  bytes: Uint8Array | Safetensors,
  options: LoadTrainerOptions<Optimizer>,
): LoadedModel & { readonly trainer: Trainer<Optimizer> };
export function loadModel(core: Core, bytes: Uint8Array | Safetensors, options: LoadModelOptions): LoadedModel;
export function loadModel(
  core: Core,
  bytes: Uint8Array | Safetensors,
  options: LoadModelOptions & Partial<LoadTrainerOptions<ModelOptimizer>>,
): LoadedModel & { trainer?: Trainer } {
  if (!(core instanceof Core)) throw unexpected("core", core, "a Core");
  core.assertLive();
  checkKeys("options", options, ["layers", "trainer", "limits"]);
  const { layers, trainer: trainerOptions, limits } = options;
  if (typeof layers !== "object" || layers === null) {
    throw unexpected("options.layers", layers, "an object of functions, such as { dense, relu }");
  }
  const file = toSafetensors(bytes, limits);
  const about = readAbout(file, 0) as unknown as Record<string, Packed>;
  if (!isRecord(about.model)) {
    throw new CheckpointError("the file has no model, expected what saveModel returns: loadCheckpoint may read it");
  }
  const architecture = readArchitecture("model", unpack(about.model, "model", new Map(file.tensors), true), layers);
  const metadata = about.metadata === undefined ? undefined : readMetadata(about.metadata);
  const model = makeModel(core, architecture, layers, file);
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

/** The model of an architecture that was checked, if the file has its parameters, which are not loaded yet. */
function makeModel(core: Core, architecture: Architecture, functions: LayerFunctions, file: Safetensors): Model {
  const layers = architecture.layers.map((config, i) =>
    attempt(`model.layers[${i}] (${config.kind})`, () => makeLayer(config, functions)),
  );
  const names = new Map(layers.map((layer, i) => [layer, architecture.layers[i]!.name]));
  if (names.size !== layers.length) throw new CheckpointError("a function in options.layers returned a layer twice");
  const tensors: SymbolicTensor[] = architecture.inputs.map(input);
  for (const [i, node] of architecture.nodes.entries()) {
    const path = `model.nodes[${i}] (${architecture.layers[node.layer]!.kind})`;
    const layer = layers[node.layer]!;
    attempt(path, () => {
      const inputs = node.inputs.map((tensor) => tensors[tensor]!);
      const tensor = layer.apply(inputs);
      checkShape(`the output of ${path}`, tensor.shape);
      const shapes = inputs.map(({ shape }) => shape);
      for (const spec of [...layer.parameters(...shapes), ...layer.buffers(...shapes)]) {
        checkStored(`${names.get(layer)}.${spec.name}`, spec, file);
      }
      tensors.push(tensor);
    });
  }
  const [inputs, outputs] = [
    tensors.slice(0, architecture.inputs.length),
    architecture.outputs.map((i) => tensors[i]!),
  ];

  /** Names are the file's, and start values would be overwritten. */
  class FileModel extends Model {
    protected override layerNames(sorted: readonly Layer[]): Map<Layer, string> {
      return new Map(sorted.map((layer) => [layer, names.get(layer)!]));
    }
    protected override startOf(): undefined {}
  }
  return attempt("model", () => new FileModel(core, { inputs, outputs }));
}

/** Throws unless the file has a tensor of that name and shape: before there is memory for it. */
function checkStored(name: string, { shape }: Pick<ParameterSpec, "shape">, { tensors }: Safetensors): void {
  const stored = tensors.get(name);
  if (stored === undefined) throw new CheckpointError(`${quote(name)} is missing`);
  if (`${stored.shape}` !== `${shape}`) {
    throw new CheckpointError(`${quote(name)} has shape [${stored.shape}], expected [${shape}]`);
  }
}

/** What code that does not know the file says against it, as an error of the file. */
function attempt<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const isOurs = [CheckpointError, OutOfMemoryError, DisposedError].some((Type) => error instanceof Type);
    if (isOurs) throw error;
    throw new CheckpointError(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

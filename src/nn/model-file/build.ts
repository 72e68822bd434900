import type { Safetensors } from "../../checkpoint/safetensors.js";
import { quote } from "../../checks.js";
import type { Core } from "../../core.js";
import { CheckpointError, DisposedError, messageOf, OutOfMemoryError } from "../../errors.js";
import type { Layer, ParameterSpec } from "../layer.js";
import { Model } from "../model.js";
import { input, type SymbolicTensor } from "../symbolic.js";
import { type Architecture, checkShape } from "./architecture.js";
import { type LayerFunctions, makeLayer } from "./layers.js";

/** The model of an architecture that was checked, if the file has its parameters, which are not loaded yet. */
export function buildModel(
  core: Core,
  architecture: Architecture,
  functions: LayerFunctions,
  file: Safetensors,
): Model {
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
export function attempt<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const isOurs = [CheckpointError, OutOfMemoryError, DisposedError].some((Type) => error instanceof Type);
    if (isOurs) throw error;
    throw new CheckpointError(`${path}: ${messageOf(error)}`, { cause: error });
  }
}

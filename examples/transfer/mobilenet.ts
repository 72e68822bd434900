import type { Core } from "lanewise";
import * as nn from "lanewise/nn";
import { installed } from "../training.js";

/** Height and width of the images that the model reads; ImageNet's are 224. */
export const SIZE = 96;

/** A weight in the manifest of a model of TensorFlow.js; a quantized one has a byte for each element. */
interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly quantization?: { readonly dtype: "uint8" };
}

interface KerasLayer {
  readonly name: string;
  readonly class_name: string;
  readonly config: Record<string, unknown>;
  readonly inbound_nodes: unknown;
}

interface ModelJson {
  readonly modelTopology: {
    readonly model_config: { readonly config: { layers: KerasLayer[]; output_layers: unknown } };
  };
  readonly weightsManifest: { readonly weights: readonly WeightSpec[] }[];
}

/**
 * The layer whose outputs, averaged over all places, are the features. Later ones know more of photographs and less of
 * drawings: with the last one the head is right about 0.60 of Apple's emoji, with this one about 0.74.
 */
const LAST = "block_10_expand_relu";

/** Width of that layer. */
export const FEATURES = 384;

/**
 * The lower part of MobileNetV2 (Sandler et al. 2018): images [96, 96, 3] from −1 to 1 become 384 features. The package
 * nsfwjs ships it as a layers model of TensorFlow.js.
 */
export async function loadMobileNet(core: Core): Promise<nn.Model> {
  const folder = new URL("node_modules/nsfwjs/dist/esm/models/mobilenet_v2.js", installed("pictures"));
  const { MobileNetV2Model } = await import(folder.href);
  const { default: json } = (await MobileNetV2Model.modelJson()) as { default: ModelJson };
  const { default: base64 } = (await MobileNetV2Model.weightBundles[0]()) as { default: string };
  const modelJson = structuredClone(json);
  const { config } = modelJson.modelTopology.model_config;
  config.layers = config.layers.slice(0, config.layers.findIndex(({ name }) => name === LAST) + 1);
  config.layers[0]!.config.batch_input_shape = [null, SIZE, SIZE, 3];
  const average = { class_name: "GlobalAveragePooling2D", name: "average", config: { name: "average" } };
  config.layers.push({ ...average, inbound_nodes: [[[LAST, 0, 0, {}]]] });
  config.output_layers = [["average", 0, 0]];

  // The weights of the layers that are left, and their bytes.
  const names = new Set(config.layers.map(({ name }) => name));
  const bytes = Buffer.from(base64, "base64");
  const weights: Uint8Array[] = [];
  let at = 0;
  const left = modelJson.weightsManifest[0]!.weights.filter(({ name, shape, quantization }) => {
    const length = shape.reduce((a, b) => a * b, quantization ? 1 : 4);
    const isLeft = names.has(name.split("/")[0]!);
    if (isLeft) weights.push(bytes.subarray(at, at + length));
    at += length;
    return isLeft;
  });
  modelJson.weightsManifest[0] = { ...modelJson.weightsManifest[0], weights: left };
  return nn.importTfjs(core, { modelJson, weights: weights.map((part) => new Uint8Array(part)) }, { layers: nn });
}

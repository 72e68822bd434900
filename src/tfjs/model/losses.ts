import { binaryCrossEntropy } from "../../nn/losses/binary-cross-entropy.js";
import { hinge } from "../../nn/losses/hinge.js";
import type { Loss } from "../../nn/losses/loss.js";
import { meanAbsoluteError } from "../../nn/losses/mean-absolute-error.js";
import { meanSquaredError } from "../../nn/losses/mean-squared-error.js";
import { softmaxCrossEntropy } from "../../nn/losses/softmax-cross-entropy.js";
import type { SymbolicTensor } from "../../nn/symbolic.js";
import { type TfModel, Unsupported } from "./tfjs-model.js";

/** A loss of TensorFlow.js as Lanewise's. */
export interface ConvertedLoss {
  readonly loss: Loss;
  /** Whether targets are class indices. */
  readonly areIndices: boolean;
  /** Whether the loss means the same for these targets. Default: for all. */
  accepts?(targets: Float32Array): boolean;
}

const LOSSES: Readonly<Record<string, () => ConvertedLoss>> = {
  meanSquaredError: () => ({ loss: meanSquaredError(), areIndices: false }),
  meanAbsoluteError: () => ({ loss: meanAbsoluteError(), areIndices: false }),
  categoricalCrossentropy: () => ({ loss: softmaxCrossEntropy(), areIndices: false }),
  sparseCategoricalCrossentropy: () => ({ loss: softmaxCrossEntropy(), areIndices: true }),
  binaryCrossentropy: () => ({ loss: binaryCrossEntropy(), areIndices: false }),
  // Lanewise's takes 0 for −1 where a batch has no −1.
  hinge: () => ({ loss: hinge(), areIndices: false, accepts: (targets) => !targets.includes(0) }),
};

/** The loss of a compiled model, whose output this is. Throws Unsupported. */
export function convertLoss(model: TfModel, output: SymbolicTensor): ConvertedLoss {
  const { loss: given } = model;
  const isRecord = typeof given === "object" && given !== null && !Array.isArray(given);
  const name = isRecord ? (given as Record<string, unknown>)[model.outputNames[0]!] : [given].flat()[0];
  if (typeof name !== "string" || !Object.hasOwn(LOSSES, name)) {
    throw new Unsupported(typeof name === "string" ? `the loss ${name}` : "a loss that is a function of its own");
  }
  const converted = LOSSES[name]!();
  const { absorbs } = converted.loss;
  if (absorbs !== undefined && activationOf(output) !== absorbs) {
    throw new Unsupported(`${name} of a model that does not end in ${absorbs}`);
  }
  if (absorbs === "softmax" && output.shape.at(-1) === 1) throw new Unsupported(`${name} of one class`);
  return converted;
}

/** The function that an output ends in. */
export function activationOf({ layer }: SymbolicTensor): string | undefined {
  return (layer?.activation ?? layer)?.activationName;
}

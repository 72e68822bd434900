import { elementwiseLoss, type Loss } from "./loss.js";

/**
 * Mean over all elements of −t·log(p) − (1 − t)·log(1 − p), with p the output of a model that ends in `sigmoid()`, or
 * sigmoid(y) of one that does not. Either way it is computed from what enters the sigmoid, which loses no digits.
 */
export function binaryCrossEntropy(): Loss {
  return elementwiseLoss("binary_cross_entropy_f32", {
    name: "binaryCrossEntropy",
    absorbs: "sigmoid",
    answers: "elements",
  });
}

// The ABI of the binary for binary cross-entropy.

export { binary_cross_entropy_f32, positive_weights_f32 } from "./binary-cross-entropy";

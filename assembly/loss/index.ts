// The ABI of the loss binary: the losses that fewer networks need.

export { hinge_f32, kl_divergence_f32 } from "./loss";

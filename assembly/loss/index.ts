// The ABI of the loss binary: the losses that fewer networks need, and what changes their targets and weights.

export {
  class_weights_f32, hinge_f32, kl_divergence_f32, mean_absolute_error_f32, smooth_labels_f32,
  weighted_binary_cross_entropy_f32,
} from "./loss";

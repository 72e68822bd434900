// The ABI of the norm binary: normalization over the batch, and within each example.

export { batch_norm_backward_f32, batch_norm_f32, batch_norm_inference_f32 } from "./batch-norm";
export { group_norm_backward_f32, group_norm_f32, group_norm_parameters_f32 } from "./group-norm";

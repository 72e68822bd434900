// The ABI of the network binary, which `lanewise/nn` brings.

export { add_f32, scale_f32 } from "../reduce/binary";
export { activation_f32, activation_backward_f32 } from "./activation";
export { count_correct_f32, softmax_cross_entropy_f32 } from "./loss";
export { softmax_backward_f32, softmax_f32 } from "./softmax";
export { class_weights_f32, smooth_labels_f32 } from "./targets";

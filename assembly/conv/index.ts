// The ABI of the conv binary: convolutions and their gradients.

export {
  conv2d_backward_input_f32, conv2d_backward_input_scratch_bytes, conv2d_f32, conv2d_scratch_bytes,
} from "./conv2d";
export { conv2d_backward_weight_f32, conv2d_backward_weight_scratch_bytes } from "./weight";
export { depthwise_conv2d_backward_input_f32, depthwise_conv2d_f32 } from "./depthwise";
export { depthwise_conv2d_backward_input_scratch_bytes, depthwise_conv2d_scratch_bytes } from "./depthwise-plan";
export { depthwise_conv2d_backward_weight_f32 } from "./depthwise-weight";

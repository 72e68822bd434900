// The ABI of the activation binary: the activations beyond relu, tanh and sigmoid, and softmax.

export { prelu_backward_f32, prelu_f32 } from "./prelu";
export { log_softmax_backward_f32, log_softmax_f32, softmax_backward_f32, softmax_f32 } from "./softmax";
export { unary_backward_f32, unary_f32 } from "./unary";

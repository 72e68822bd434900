// The ABI of the activation binary: the activations beyond relu, tanh and sigmoid, and the logarithm of softmax.

export { prelu_backward_f32, prelu_f32 } from "./prelu";
export { log_softmax_backward_f32, log_softmax_f32 } from "./log-softmax";
export { unary_backward_f32, unary_f32 } from "./unary";

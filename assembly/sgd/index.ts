// The ABI of the sgd binary.

export { sgd_f32 } from "../optim/sgd";

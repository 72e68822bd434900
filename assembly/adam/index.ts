// The ABI of the adam binary.

export { adam_f32 } from "../optim/adam";

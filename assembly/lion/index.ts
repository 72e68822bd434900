// The ABI of the lion binary.

export { lion_f32 } from "../optim/lion";

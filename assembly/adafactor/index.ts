// The ABI of the adafactor binary.

export { adafactor_f32, adafactor_scratch_bytes } from "../optim/adafactor";

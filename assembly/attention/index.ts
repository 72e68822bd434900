// The ABI of the attention binary.

export { attention_backward_f32, attention_f32, attention_scratch_bytes } from "./attention";

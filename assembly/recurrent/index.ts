// The ABI of the recurrent binary.

export { lstm_backward_f32, lstm_forward_f32 } from "./lstm";
export { swap_axes_f32 } from "./sequence";

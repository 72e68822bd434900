// The ABI of the recurrent binary.

export { gru_backward_f32, gru_forward_f32 } from "./gru";
export { lstm_backward_f32, lstm_forward_f32 } from "./lstm";
export { recurrent_scratch_bytes } from "./scratch";
export { simple_rnn_backward_f32, simple_rnn_forward_f32 } from "./simple-rnn";

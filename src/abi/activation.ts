// Numbers of the activations, for both sides.

export const ACTIVATION_IDENTITY = 0;
export const ACTIVATION_RELU = 1;
export const ACTIVATION_TANH = 2;
export const ACTIVATION_SIGMOID = 3;

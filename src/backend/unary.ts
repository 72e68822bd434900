/** Ids of the activations beyond relu, tanh and sigmoid, shared with assembly/activation/formulas.ts. */
export const UNARY = {
  leakyRelu: 0,
  hardSigmoid: 1,
  hardSwish: 2,
  relu6: 3,
  softsign: 4,
  softplus: 5,
  elu: 6,
  selu: 7,
  gelu: 8,
  geluTanh: 9,
  silu: 10,
  mish: 11,
} as const;

/** @see UNARY */
export type UnaryActivation = keyof typeof UNARY;

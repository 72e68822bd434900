/** Ids of the activations beyond relu, tanh and sigmoid, shared with assembly/activation/formulas.ts. */
export const UNARY = {
  leakyRelu: 0,
  hardSigmoid: 1,
  hardSwish: 2,
  softsign: 3,
  softplus: 4,
  elu: 5,
  selu: 6,
  gelu: 7,
  geluTanh: 8,
  silu: 9,
  mish: 10,
} as const;

/** @see UNARY */
export type UnaryActivation = keyof typeof UNARY;

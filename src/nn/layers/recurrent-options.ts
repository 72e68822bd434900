import { GATE_ACTIVATION } from "../../backend/sequences.js";
import { checkKeys, checkNumber, unexpected } from "../../checks.js";
import type { Initializer } from "../initializers.js";

/** Activations inside recurrent layers. `{ hardSigmoid: slope }` is min(max(slope·x + 0.5, 0), 1). */
export type RecurrentActivation = keyof typeof GATE_ACTIVATION | { readonly hardSigmoid: number };

/** Options of every recurrent layer. */
export interface RecurrentOptions {
  /** Activation of the candidate, and of an LSTM's cell. Default `"tanh"`. */
  activation?: RecurrentActivation;
  /** Adds a vector to the product. Default true. */
  bias?: boolean;
  /** y has every step, [steps, units], instead of the last one, [units]. Default false. */
  returnSequences?: boolean;
  /** Reads x from its last step to its first; y has the steps in the order of computation. Default false. */
  goBackwards?: boolean;
  /**
   * Begins each batch with the final states of the one before it, row by row; `model.resetStates()` sets them to zeros.
   * Gradients do not go back into the batch before: truncated backpropagation through time. Default false.
   */
  stateful?: boolean;
  /**
   * The second input is a mask [steps]: where it is 0, states stay as they are and the previous output comes out again, 0
   * before the first. Ids whose padding is 0 are such a mask. Default false.
   */
  masked?: boolean;
  /** The output where the mask is 0 is 0 instead of the previous one. Default false; in `bidirectional` `returnSequences`. */
  zeroOutputForMask?: boolean;
  /** Start values of `kernel`. Default `glorotUniform()`. */
  initializer?: Initializer;
  /** Start values of `recurrent`. Default `orthogonal()`. */
  recurrentInitializer?: Initializer;
  /** Its name in the model's parameters. Default: its number. */
  name?: string;
}

/** Options of layers with gates. */
export interface GatedOptions extends RecurrentOptions {
  /** Activation of the gates. Default `"sigmoid"`; `"hardSigmoid"` has a slope of 1/6, as in Keras 3, in TensorFlow.js 0.2. */
  recurrentActivation?: RecurrentActivation;
}

/** Names of the options of every recurrent layer. */
export const RECURRENT_OPTIONS = [
  "activation",
  "bias",
  "returnSequences",
  "goBackwards",
  "stateful",
  "masked",
  "zeroOutputForMask",
  "initializer",
  "recurrentInitializer",
  "name",
];

/** The number of an activation, and the slope of hardSigmoid; throws OptionError for one that there is not. */
export function gateOf(name: string, value: unknown): { kind: number; slope: number } {
  if (typeof value === "object" && value !== null) {
    checkKeys(name, value, ["hardSigmoid"]);
    const { hardSigmoid } = value as { hardSigmoid: number };
    checkNumber(`${name}.hardSigmoid`, hardSigmoid, 2 ** -20, 2 ** 20);
    return { kind: GATE_ACTIVATION.hardSigmoid, slope: hardSigmoid };
  }
  const kind = GATE_ACTIVATION[value as keyof typeof GATE_ACTIVATION];
  if (typeof value !== "string" || !Object.hasOwn(GATE_ACTIVATION, value)) {
    const known = Object.keys(GATE_ACTIVATION).map((key) => `"${key}"`);
    throw unexpected(name, value, `${known.join(", ")} or { hardSigmoid: slope }`);
  }
  return { kind, slope: 1 / 6 };
}

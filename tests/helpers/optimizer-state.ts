import type { OptimizerState } from "../../src/optim/state.js";

/** What an optimizer remembers of its steps, without options that were changed. */
export function withoutOptions(optimizer: { state(): OptimizerState }): OptimizerState {
  const { options: _, ...state } = optimizer.state();
  return state;
}

import type { RecurrentKernels } from "../../families/recurrent.js";
import type { Views } from "../views.js";
import { multiplier, Walk } from "./sequence.js";

const f = Math.fround;

/** assembly/recurrent/simple-rnn.ts, operation by operation. */
export function simpleRnnKernels(
  views: Views,
): Pick<RecurrentKernels, "simple_rnn_forward_f32" | "simple_rnn_backward_f32"> {
  const multiply = multiplier(views);
  return {
    // biome-ignore format: operand by operand, as in the kernel
    simple_rnn_forward_f32(
      sequencePtr, first, count, units, steps, recurrentPtr, gatesPtr, statesPtr, maskPtr,
      initialStatePtr, finalStatePtr, outputPtr, scratchPtr,
    ) {
      const walk = new Walk(views, { sequencePtr, first, count, units, steps, maskPtr, outputPtr, scratchPtr });
      const { f32, scratch } = walk;
      walk.begin(statesPtr, initialStatePtr);
      for (let step = 0; step < steps; step++) {
        const hPtr = walk.state(statesPtr, 0, step) * 4;
        multiply(count, units, units, hPtr, units, recurrentPtr, units, 0, scratch * 4, units);
        for (let row = 0; row < count; row++) {
          const next = walk.state(statesPtr, row, step + 1);
          const a = walk.at(gatesPtr, row, step, units);
          if (walk.isMasked(row, step)) walk.copy(next, walk.state(statesPtr, row, step));
          else {
            for (let j = 0; j < units; j++) {
              f32[next + j] = walk.squash(f(f32[a + j]! + f32[scratch + row * units + j]!));
            }
          }
          walk.output(statesPtr, row, step);
        }
      }
      walk.end(statesPtr, finalStatePtr);
    },

    // biome-ignore format: operand by operand, as in the kernel
    simple_rnn_backward_f32(
      sequencePtr, first, count, units, steps, recurrentPtr, gatesPtr, statesPtr, maskPtr,
      dOutputPtr, dFinalStatePtr, dInitialStatePtr, scratchPtr,
    ) {
      const outputPtr = dOutputPtr;
      const walk = new Walk(views, { sequencePtr, first, count, units, steps, maskPtr, outputPtr, scratchPtr });
      const { f32 } = walk;
      const dStates = walk.scratch;
      const sums = dStates + count * units;
      for (let row = 0; row < count; row++) {
        walk.copy(dStates + row * units, dFinalStatePtr === 0 ? -1 : walk.row(dFinalStatePtr, row));
      }
      for (let step = steps - 1; step >= 0; step--) {
        for (let row = 0; row < count; row++) {
          const dh = dStates + row * units;
          const a = walk.at(gatesPtr, row, step, units);
          const h = walk.state(statesPtr, row, step + 1);
          walk.addOutputGradient(dh, row, step);
          if (walk.isMasked(row, step)) walk.copy(a, -1);
          else for (let j = 0; j < units; j++) f32[a + j] = walk.squashBackward(f32[h + j]!, f32[dh + j]!);
        }
        if (step === 0 && dInitialStatePtr === 0) break;
        const aPtr = walk.at(gatesPtr, 0, step, units) * 4;
        multiply(count, units, units, aPtr, units, recurrentPtr, units, 1, sums * 4, units);
        for (let row = 0; row < count; row++) {
          if (!walk.isMasked(row, step)) walk.copy(dStates + row * units, sums + row * units);
        }
      }
      for (let row = 0; dInitialStatePtr !== 0 && row < count; row++) {
        walk.copy(walk.row(dInitialStatePtr, row), dStates + row * units);
      }
    },
  };
}

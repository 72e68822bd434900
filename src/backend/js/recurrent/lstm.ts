import type { RecurrentKernels } from "../../families/recurrent.js";
import type { Views } from "../views.js";
import { multiplier, Walk } from "./sequence.js";

const f = Math.fround;

/** assembly/recurrent/lstm.ts, operation by operation. */
export function lstmKernels(views: Views): Pick<RecurrentKernels, "lstm_forward_f32" | "lstm_backward_f32"> {
  const multiply = multiplier(views);
  return {
    // biome-ignore format: operand by operand, as in the kernel
    lstm_forward_f32(
      sequencePtr, first, count, units, steps, recurrentPtr, gatesPtr, statesPtr, cellsPtr, activatedPtr, maskPtr,
      initialStatePtr, initialCellPtr, finalStatePtr, finalCellPtr, outputPtr, scratchPtr,
    ) {
      const walk = new Walk(views, { sequencePtr, first, count, units, steps, maskPtr, outputPtr, scratchPtr });
      const { f32, scratch } = walk;
      walk.begin(statesPtr, initialStatePtr);
      walk.begin(cellsPtr, initialCellPtr);
      for (let step = 0; step < steps; step++) {
        const hPtr = walk.state(statesPtr, 0, step) * 4;
        multiply(count, 4 * units, units, hPtr, units, recurrentPtr, 4 * units, 0, scratch * 4, 4 * units);
        for (let row = 0; row < count; row++) {
          const h = walk.state(statesPtr, row, step + 1);
          const cBefore = walk.state(cellsPtr, row, step);
          const c = walk.state(cellsPtr, row, step + 1);
          if (walk.isMasked(row, step)) {
            walk.copy(h, walk.state(statesPtr, row, step));
            walk.copy(c, cBefore);
          } else {
            const a = walk.at(gatesPtr, row, step, 4 * units);
            const t = walk.at(activatedPtr, row, step, units);
            const sum = scratch + row * 4 * units;
            for (let j = 0; j < units; j++) {
              const i = walk.gate(f(f32[a + j]! + f32[sum + j]!));
              const forget = walk.gate(f(f32[a + units + j]! + f32[sum + units + j]!));
              const g = walk.squash(f(f32[a + 2 * units + j]! + f32[sum + 2 * units + j]!));
              const o = walk.gate(f(f32[a + 3 * units + j]! + f32[sum + 3 * units + j]!));
              const cell = f(f(forget * f32[cBefore + j]!) + f(i * g));
              const squashed = walk.squash(cell);
              f32[a + j] = i;
              f32[a + units + j] = forget;
              f32[a + 2 * units + j] = g;
              f32[a + 3 * units + j] = o;
              f32[c + j] = cell;
              f32[t + j] = squashed;
              f32[h + j] = f(o * squashed);
            }
          }
          walk.output(statesPtr, row, step);
        }
      }
      walk.end(statesPtr, finalStatePtr);
      walk.end(cellsPtr, finalCellPtr);
    },

    // biome-ignore format: operand by operand, as in the kernel
    lstm_backward_f32(
      sequencePtr, first, count, units, steps, recurrentPtr, gatesPtr, cellsPtr, activatedPtr, maskPtr,
      dOutputPtr, dFinalStatePtr, dFinalCellPtr, dInitialStatePtr, dInitialCellPtr, scratchPtr,
    ) {
      const outputPtr = dOutputPtr;
      const walk = new Walk(views, { sequencePtr, first, count, units, steps, maskPtr, outputPtr, scratchPtr });
      const { f32 } = walk;
      const dStates = walk.scratch;
      const dCells = dStates + count * units;
      const sums = dCells + count * units;
      for (let row = 0; row < count; row++) {
        walk.copy(dStates + row * units, dFinalStatePtr === 0 ? -1 : walk.row(dFinalStatePtr, row));
        walk.copy(dCells + row * units, dFinalCellPtr === 0 ? -1 : walk.row(dFinalCellPtr, row));
      }
      for (let step = steps - 1; step >= 0; step--) {
        for (let row = 0; row < count; row++) {
          const dh = dStates + row * units;
          const dc = dCells + row * units;
          const a = walk.at(gatesPtr, row, step, 4 * units);
          const t = walk.at(activatedPtr, row, step, units);
          const c = walk.state(cellsPtr, row, step);
          walk.addOutputGradient(dh, row, step);
          if (walk.isMasked(row, step)) {
            f32.fill(0, a, a + 4 * units);
            continue;
          }
          for (let j = 0; j < units; j++) {
            const i = f32[a + j]!;
            const forget = f32[a + units + j]!;
            const g = f32[a + 2 * units + j]!;
            const o = f32[a + 3 * units + j]!;
            const d = f32[dh + j]!;
            const e = f(f32[dc + j]! + walk.squashBackward(f32[t + j]!, f(d * o)));
            f32[a + j] = walk.gateBackward(i, f(e * g));
            f32[a + units + j] = walk.gateBackward(forget, f(e * f32[c + j]!));
            f32[a + 2 * units + j] = walk.squashBackward(g, f(e * i));
            f32[a + 3 * units + j] = walk.gateBackward(o, f(d * f32[t + j]!));
            f32[dc + j] = f(e * forget);
          }
        }
        if (step === 0 && dInitialStatePtr === 0) break;
        const aPtr = walk.at(gatesPtr, 0, step, 4 * units) * 4;
        multiply(count, units, 4 * units, aPtr, 4 * units, recurrentPtr, 4 * units, 1, sums * 4, units);
        for (let row = 0; row < count; row++) {
          if (!walk.isMasked(row, step)) walk.copy(dStates + row * units, sums + row * units);
        }
      }
      for (let row = 0; row < count; row++) {
        if (dInitialStatePtr !== 0) walk.copy(walk.row(dInitialStatePtr, row), dStates + row * units);
        if (dInitialCellPtr !== 0) walk.copy(walk.row(dInitialCellPtr, row), dCells + row * units);
      }
    },
  };
}

import type { RecurrentKernels } from "../../families/recurrent.js";
import type { Views } from "../views.js";
import { multiplier, Walk } from "./sequence.js";

const f = Math.fround;

/** assembly/recurrent/gru.ts, operation by operation. */
export function gruKernels(views: Views): Pick<RecurrentKernels, "gru_forward_f32" | "gru_backward_f32"> {
  const multiply = multiplier(views);
  return {
    // biome-ignore format: operand by operand, as in the kernel
    gru_forward_f32(
      sequencePtr, first, count, units, steps, recurrentPtr, biasPtr, gatesPtr, statesPtr, candidatesPtr, maskPtr,
      initialStatePtr, finalStatePtr, outputPtr, scratchPtr,
    ) {
      const walk = new Walk(views, { sequencePtr, first, count, units, steps, maskPtr, outputPtr, scratchPtr });
      const { f32, resetAfter } = walk;
      const sums = walk.scratch;
      const lastSums = sums + count * 3 * units;
      const bias = biasPtr >>> 2;
      const biasAt = (j: number) => (biasPtr === 0 ? 0 : f32[bias + j]!);
      walk.begin(statesPtr, initialStatePtr);
      for (let step = 0; step < steps; step++) {
        const hPtr = walk.state(statesPtr, 0, step) * 4;
        const columns = resetAfter ? 3 * units : 2 * units;
        multiply(count, columns, units, hPtr, units, recurrentPtr, 3 * units, 0, sums * 4, 3 * units);
        for (let row = 0; row < count; row++) {
          const a = walk.at(gatesPtr, row, step, 3 * units);
          const m = walk.at(candidatesPtr, row, step, units);
          const h = walk.state(statesPtr, row, step);
          const sum = sums + row * 3 * units;
          if (walk.isMasked(row, step)) {
            if (!resetAfter) walk.copy(m, -1);
            continue;
          }
          const recurrent = (j: number) => (resetAfter ? f(f32[sum + j]! + biasAt(j)) : f32[sum + j]!);
          for (let j = 0; j < units; j++) {
            const r = walk.gate(f(f32[a + units + j]! + recurrent(units + j)));
            f32[a + j] = walk.gate(f(f32[a + j]! + recurrent(j)));
            f32[a + units + j] = r;
            f32[m + j] = resetAfter ? recurrent(2 * units + j) : f(r * f32[h + j]!);
          }
        }
        if (!resetAfter) {
          const mPtr = walk.at(candidatesPtr, 0, step, units) * 4;
          multiply(count, units, units, mPtr, units, recurrentPtr + 8 * units, 3 * units, 0, lastSums * 4, units);
        }
        for (let row = 0; row < count; row++) {
          const h = walk.state(statesPtr, row, step);
          const next = walk.state(statesPtr, row, step + 1);
          if (walk.isMasked(row, step)) walk.copy(next, h);
          else {
            const a = walk.at(gatesPtr, row, step, 3 * units);
            const m = walk.at(candidatesPtr, row, step, units);
            for (let j = 0; j < units; j++) {
              const z = f32[a + j]!;
              const inner = resetAfter ? f(f32[a + units + j]! * f32[m + j]!) : f32[lastSums + row * units + j]!;
              const g = walk.squash(f(f32[a + 2 * units + j]! + inner));
              f32[a + 2 * units + j] = g;
              f32[next + j] = f(f(z * f32[h + j]!) + f(f(1 - z) * g));
            }
          }
          walk.output(statesPtr, row, step);
        }
      }
      walk.end(statesPtr, finalStatePtr);
    },

    // biome-ignore format: operand by operand, as in the kernel
    gru_backward_f32(
      sequencePtr, first, count, units, steps, recurrentPtr, gatesPtr, statesPtr, candidatesPtr, maskPtr,
      dOutputPtr, dFinalStatePtr, dInitialStatePtr, scratchPtr,
    ) {
      const outputPtr = dOutputPtr;
      const walk = new Walk(views, { sequencePtr, first, count, units, steps, maskPtr, outputPtr, scratchPtr });
      const { f32, resetAfter } = walk;
      const dStates = walk.scratch;
      const direct = dStates + count * units;
      const sums = direct + count * units;
      for (let row = 0; row < count; row++) {
        walk.copy(dStates + row * units, dFinalStatePtr === 0 ? -1 : walk.row(dFinalStatePtr, row));
      }
      for (let step = steps - 1; step >= 0; step--) {
        for (let row = 0; row < count; row++) {
          const dh = dStates + row * units;
          const a = walk.at(gatesPtr, row, step, 3 * units);
          const m = walk.at(candidatesPtr, row, step, units);
          const h = walk.state(statesPtr, row, step);
          walk.addOutputGradient(dh, row, step);
          if (walk.isMasked(row, step)) {
            f32.fill(0, a, a + 3 * units);
            if (resetAfter) walk.copy(m, -1);
            continue;
          }
          for (let j = 0; j < units; j++) {
            const z = f32[a + j]!;
            const r = f32[a + units + j]!;
            const g = f32[a + 2 * units + j]!;
            const d = f32[dh + j]!;
            const dg = walk.squashBackward(g, f(d * f(1 - z)));
            f32[a + j] = walk.gateBackward(z, f(d * f(f32[h + j]! - g)));
            f32[a + 2 * units + j] = dg;
            f32[direct + row * units + j] = f(d * z);
            if (resetAfter) {
              f32[a + units + j] = walk.gateBackward(r, f(dg * f32[m + j]!));
              f32[m + j] = f(dg * r);
            }
          }
        }
        const aPtr = walk.at(gatesPtr, 0, step, 3 * units) * 4;
        const lastPtr = recurrentPtr + 8 * units;
        if (!resetAfter) {
          multiply(count, units, units, aPtr + 8 * units, 3 * units, lastPtr, 3 * units, 1, sums * 4, units);
          for (let row = 0; row < count; row++) {
            if (walk.isMasked(row, step)) continue;
            const a = walk.at(gatesPtr, row, step, 3 * units);
            const h = walk.state(statesPtr, row, step);
            for (let j = 0; j < units; j++) {
              const r = f32[a + units + j]!;
              const dm = f32[sums + row * units + j]!;
              const passed = direct + row * units + j;
              f32[a + units + j] = walk.gateBackward(r, f(dm * f32[h + j]!));
              f32[passed] = f(f32[passed]! + f(dm * r));
            }
          }
        }
        if (step === 0 && dInitialStatePtr === 0) break;
        if (resetAfter) {
          // One sum over z, r and m, which are in two blocks.
          const joined = sums + count * units;
          for (let row = 0; row < count; row++) {
            const to = joined + row * 3 * units;
            const a = walk.at(gatesPtr, row, step, 3 * units);
            f32.copyWithin(to, a, a + 2 * units);
            walk.copy(to + 2 * units, walk.at(candidatesPtr, row, step, units));
          }
          multiply(count, units, 3 * units, joined * 4, 3 * units, recurrentPtr, 3 * units, 1, sums * 4, units);
        } else multiply(count, units, 2 * units, aPtr, 3 * units, recurrentPtr, 3 * units, 1, sums * 4, units);
        for (let row = 0; row < count; row++) {
          if (walk.isMasked(row, step)) continue;
          for (let j = row * units; j < (row + 1) * units; j++) {
            f32[dStates + j] = f(f32[sums + j]! + f32[direct + j]!);
          }
        }
      }
      for (let row = 0; dInitialStatePtr !== 0 && row < count; row++) {
        walk.copy(walk.row(dInitialStatePtr, row), dStates + row * units);
      }
    },
  };
}

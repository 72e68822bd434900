import { SEQUENCE } from "../../sequences.js";
import { gemmKernels } from "../gemm/gemm.js";
import type { Views } from "../views.js";
import { activate, activateBackward } from "./activation.js";

const f = Math.fround;

/** C = A·B for row-major matrices at these addresses; C is apart from A and B. */
export type Multiply = (
  m: number,
  n: number,
  k: number,
  aPtr: number,
  lda: number,
  bPtr: number,
  ldb: number,
  transposeB: 0 | 1,
  cPtr: number,
  ldc: number,
) => void;

export function multiplier(views: Views): Multiply {
  const { gemm_f32 } = gemmKernels(views);
  return (m, n, k, aPtr, lda, bPtr, ldb, transposeB, cPtr, ldc) =>
    gemm_f32(1, m, n, k, 1, aPtr, 0, lda, 0, bPtr, 0, ldb, transposeB, 0, cPtr, 0, ldc, 0, 0, 0);
}

/** What every call says about its sequence and its rows. */
export interface SequenceCall {
  readonly sequencePtr: number;
  readonly first: number;
  readonly count: number;
  readonly units: number;
  readonly steps: number;
  readonly maskPtr: number;
  /** The output, or its gradient. */
  readonly outputPtr: number;
  readonly scratchPtr: number;
}

/**
 * The description of a sequence and the walk over it, see assembly/recurrent/sequence.ts. Rows are counted from the
 * first one of the call, steps in the order of computation, and what the methods return is an index of a float32.
 */
export class Walk {
  readonly f32: Float32Array;
  readonly units: number;
  readonly steps: number;
  readonly count: number;
  readonly resetAfter: boolean;
  /** Scratch from here on is the cell's own. */
  readonly scratch: number;
  /** The activation of the gates, and that of the candidate and the cell. */
  readonly gate: (x: number) => number;
  readonly squash: (x: number) => number;
  /** dy times their derivatives, from their outputs. */
  readonly gateBackward: (y: number, dy: number) => number;
  readonly squashBackward: (y: number, dy: number) => number;
  readonly #call: SequenceCall;
  readonly #batch: number;
  readonly #reverse: boolean;
  readonly #everyStep: boolean;
  readonly #zeroMasked: boolean;
  readonly #outputRow: number;
  readonly #outputStep: number;
  /** For each row the first step that the mask keeps. */
  readonly #kept: number;

  constructor(views: Views, call: SequenceCall) {
    const { f32, i32 } = views;
    const at = call.sequencePtr >>> 2;
    const word = (name: keyof typeof SEQUENCE) => i32[at + SEQUENCE[name]]!;
    this.f32 = f32;
    this.units = call.units;
    this.steps = call.steps;
    this.count = call.count;
    this.resetAfter = word("resetAfter") !== 0;
    this.#call = call;
    this.#batch = word("batch");
    this.#reverse = word("reverse") !== 0;
    this.#everyStep = word("everyStep") !== 0;
    this.#zeroMasked = word("zeroMasked") !== 0;
    this.#outputRow = word("outputRow");
    this.#outputStep = word("outputStep");
    const slope = f32[at + SEQUENCE.slope]!;
    const kind = word("activation");
    const recurrentKind = word("recurrentActivation");
    this.gate = (x) => activate(recurrentKind, slope, x);
    this.squash = (x) => activate(kind, slope, x);
    this.gateBackward = (y, dy) => activateBackward(recurrentKind, slope, y, dy);
    this.squashBackward = (y, dy) => activateBackward(kind, slope, y, dy);
    this.#kept = call.scratchPtr >>> 2;
    this.scratch = this.#kept + call.count;
    if (call.maskPtr === 0) return;
    for (let row = 0; row < call.count; row++) {
      let step = 0;
      while (step < call.steps && this.isMasked(row, step)) step++;
      f32[this.#kept + row] = step;
    }
  }

  /** A row of a block [steps, batch, width] at this address. */
  at(ptr: number, row: number, step: number, width: number): number {
    const time = this.#reverse ? this.steps - 1 - step : step;
    return (ptr >>> 2) + (time * this.#batch + this.#call.first + row) * width;
  }

  /** A row of a block of states [steps + 1, batch, units] before a step; before step `steps` is after the last one. */
  state(ptr: number, row: number, step: number): number {
    const slot = this.#reverse ? this.steps - step : step;
    return (ptr >>> 2) + (slot * this.#batch + this.#call.first + row) * this.units;
  }

  /** A row of a block [batch, units]. */
  row(ptr: number, row: number): number {
    return (ptr >>> 2) + (this.#call.first + row) * this.units;
  }

  isMasked(row: number, step: number): boolean {
    const { maskPtr, first } = this.#call;
    const time = this.#reverse ? this.steps - 1 - step : step;
    return maskPtr !== 0 && this.f32[(maskPtr >>> 2) + (first + row) * this.steps + time] === 0;
  }

  /** The output of a row after a step, -1 where it has none. */
  #outputAt(row: number, step: number): number {
    const { outputPtr, first } = this.#call;
    if (outputPtr === 0 || !(this.#everyStep || step + 1 === this.steps)) return -1;
    return (outputPtr >>> 2) + (first + row) * this.#outputRow + step * this.#outputStep;
  }

  /** Whether the mask leaves out this step of a row and, unless that is always 0, every one before. */
  #isZero(row: number, step: number): boolean {
    return this.isMasked(row, step) && (this.#zeroMasked || step < this.f32[this.#kept + row]!);
  }

  /** Copies a row of `units` elements, or clears it where there is nothing (-1) to copy. */
  copy(to: number, from: number): void {
    if (from < 0) this.f32.fill(0, to, to + this.units);
    else this.f32.copyWithin(to, from, from + this.units);
  }

  /** Initial states (zeros if absent) into the slot before the first step. */
  begin(statesPtr: number, initialPtr: number): void {
    for (let row = 0; row < this.count; row++) {
      this.copy(this.state(statesPtr, row, 0), initialPtr === 0 ? -1 : this.row(initialPtr, row));
    }
  }

  /** The slot after the last step to where final states are wanted. */
  end(statesPtr: number, finalPtr: number): void {
    for (let row = 0; finalPtr !== 0 && row < this.count; row++) {
      this.copy(this.row(finalPtr, row), this.state(statesPtr, row, this.steps));
    }
  }

  /** Puts the state after a step out. */
  output(statesPtr: number, row: number, step: number): void {
    const at = this.#outputAt(row, step);
    if (at >= 0) this.copy(at, this.#isZero(row, step) ? -1 : this.state(statesPtr, row, step + 1));
  }

  /** dh ← dh + dy for a row after a step; dh is an index. */
  addOutputGradient(dh: number, row: number, step: number): void {
    const at = this.#outputAt(row, step);
    const absent = at < 0 || this.#isZero(row, step);
    for (let j = 0; j < this.units; j++) this.f32[dh + j] = f(this.f32[dh + j]! + (absent ? 0 : this.f32[at + j]!));
  }
}

/** Bytes of scratch of the kernels in JavaScript, which pack nothing and compute all rows at once. */
export function recurrentScratchBytes(count: number, units: number, gates: number): number {
  return 4 * count * (1 + (gates + 3) * units);
}

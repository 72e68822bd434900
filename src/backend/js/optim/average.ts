import {
  SEGMENT_AVERAGE,
  SEGMENT_AVERAGE_COMPLEMENT,
  SEGMENT_AVERAGE_DECAY,
  SEGMENT_COUNT,
  SEGMENT_PARAM,
} from "../../segments.js";

const f = Math.fround;

/** Twin of assembly/optim/average.ts, for a row that has an average. */
export function averageParameters(f32: Float32Array, i32: Int32Array, row: number): void {
  const a = i32[row + SEGMENT_AVERAGE]! >>> 2;
  const p = i32[row + SEGMENT_PARAM]! >>> 2;
  const count = i32[row + SEGMENT_COUNT]!;
  const decay = f32[row + SEGMENT_AVERAGE_DECAY]!;
  const complement = f32[row + SEGMENT_AVERAGE_COMPLEMENT]!;
  for (let i = 0; i < count; i++) f32[a + i] = f(decay * f32[a + i]!) + f(complement * f32[p + i]!);
}

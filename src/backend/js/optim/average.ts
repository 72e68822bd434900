import {
  SEGMENT_AVERAGE,
  SEGMENT_AVERAGE_COMPLEMENT,
  SEGMENT_AVERAGE_DECAY,
  SEGMENT_COUNT,
  SEGMENT_PARAM,
} from "../../../abi/step-table.js";

const f = Math.fround;

/** The JavaScript implementation of assembly/optim/average.ts, for a segment that has an average. */
export function averageParameters(f32: Float32Array, i32: Int32Array, segment: number): void {
  const a = i32[segment + SEGMENT_AVERAGE]! >>> 2;
  const p = i32[segment + SEGMENT_PARAM]! >>> 2;
  const count = i32[segment + SEGMENT_COUNT]!;
  const decay = f32[segment + SEGMENT_AVERAGE_DECAY]!;
  const complement = f32[segment + SEGMENT_AVERAGE_COMPLEMENT]!;
  if (decay < 0) {
    for (let i = 0; i < count; i++) f32[a + i]! += f(complement * f(f32[p + i]! - f32[a + i]!));
    return;
  }
  for (let i = 0; i < count; i++) f32[a + i] = f(decay * f32[a + i]!) + f(complement * f32[p + i]!);
}

// The step table as kernels see it. What the words and bits mean, and which number they have, is said once for both
// sides, in src/abi/step-table.ts; these classes name the words, and the checks below compare them.

import {
  GROUP_CLIP_EPS, GROUP_CLIP_NORM, GROUP_CLIP_VALUE, GROUP_DECAY, GROUP_DECAY_COMPLEMENT, GROUP_DECOUPLED_DECAY,
  GROUP_EPS_INSIDE, GROUP_EPS_OUTSIDE, GROUP_FORM, GROUP_LEARNING_RATE, GROUP_MEAN_DECAY, GROUP_MEAN_DECAY_COMPLEMENT,
  GROUP_MODE, GROUP_MOMENTUM, GROUP_SCALAR, GROUP_SCALARS, GROUP_WEIGHT_DECAY,
  MODE_TRANSFORM, SEGMENT_ACCUMULATOR, SEGMENT_AVERAGE, SEGMENT_AVERAGE_COMPLEMENT, SEGMENT_AVERAGE_DECAY,
  SEGMENT_BYTES, SEGMENT_COLUMNS, SEGMENT_COUNT, SEGMENT_GRAD, SEGMENT_GRAD_SCALE, SEGMENT_GRAD_SCALE_2,
  SEGMENT_GROUP, SEGMENT_PARAM, SEGMENT_ROWS, SEGMENT_SCALAR, SEGMENT_SCALARS, SEGMENT_SCALAR_F64, SEGMENT_STATE,
} from "../../src/abi/step-table";

/** A parameter, or a piece of one. */
@unmanaged
export class Segment {
  paramPtr!: u32;
  gradPtr!: u32;
  count!: u32;
  groupPtr!: u32;
  state0Ptr!: u32;
  state1Ptr!: u32;
  state2Ptr!: u32;
  averagePtr!: u32;
  accumulatorPtr!: u32;
  scalar0!: f32;
  scalar1!: f32;
  scalar2!: f32;
  gradScale!: f32;
  gradScale2!: f32;
  averageDecay!: f32;
  averageComplement!: f32;
  rows!: u32;
  columns!: u32;
  scalarF64!: f64;
}

/** The hyper-parameters of a group. */
@unmanaged
export class Group {
  mode!: u32;
  form!: u32;
  learningRate!: f32;
  weightDecay!: f32;
  decoupledDecay!: f32;
  clipValue!: f32;
  clipNorm!: f32;
  decay!: f32;
  decayComplement!: f32;
  epsInside!: f32;
  epsOutside!: f32;
  momentum!: f32;
  meanDecay!: f32;
  meanDecayComplement!: f32;
  scalar0!: f32;
  scalar1!: f32;
  scalar2!: f32;
  scalar3!: f32;
  scalar4!: f32;
  scalar5!: f32;
  scalar6!: f32;
  scalar7!: f32;
  clipEps!: f32;
}

if (
  offsetof<Segment>("paramPtr") != SEGMENT_PARAM * 4 ||
  offsetof<Segment>("gradPtr") != SEGMENT_GRAD * 4 ||
  offsetof<Segment>("count") != SEGMENT_COUNT * 4 ||
  offsetof<Segment>("groupPtr") != SEGMENT_GROUP * 4 ||
  offsetof<Segment>("state0Ptr") != SEGMENT_STATE * 4 ||
  offsetof<Segment>("averagePtr") != SEGMENT_AVERAGE * 4 ||
  offsetof<Segment>("accumulatorPtr") != SEGMENT_ACCUMULATOR * 4 ||
  offsetof<Segment>("scalar0") != SEGMENT_SCALAR * 4 ||
  offsetof<Segment>("gradScale") != (SEGMENT_SCALAR + SEGMENT_SCALARS) * 4 ||
  offsetof<Segment>("gradScale") != SEGMENT_GRAD_SCALE * 4 ||
  offsetof<Segment>("gradScale2") != SEGMENT_GRAD_SCALE_2 * 4 ||
  offsetof<Segment>("averageDecay") != SEGMENT_AVERAGE_DECAY * 4 ||
  offsetof<Segment>("averageComplement") != SEGMENT_AVERAGE_COMPLEMENT * 4 ||
  offsetof<Segment>("rows") != SEGMENT_ROWS * 4 ||
  offsetof<Segment>("columns") != SEGMENT_COLUMNS * 4 ||
  offsetof<Segment>("scalarF64") != SEGMENT_SCALAR_F64 * 4
) ERROR("Segment differs from src/abi/step-table.ts");

if (
  offsetof<Group>("mode") != GROUP_MODE * 4 ||
  offsetof<Group>("form") != GROUP_FORM * 4 ||
  offsetof<Group>("learningRate") != GROUP_LEARNING_RATE * 4 ||
  offsetof<Group>("weightDecay") != GROUP_WEIGHT_DECAY * 4 ||
  offsetof<Group>("decoupledDecay") != GROUP_DECOUPLED_DECAY * 4 ||
  offsetof<Group>("clipValue") != GROUP_CLIP_VALUE * 4 ||
  offsetof<Group>("clipNorm") != GROUP_CLIP_NORM * 4 ||
  offsetof<Group>("decay") != GROUP_DECAY * 4 ||
  offsetof<Group>("decayComplement") != GROUP_DECAY_COMPLEMENT * 4 ||
  offsetof<Group>("epsInside") != GROUP_EPS_INSIDE * 4 ||
  offsetof<Group>("epsOutside") != GROUP_EPS_OUTSIDE * 4 ||
  offsetof<Group>("momentum") != GROUP_MOMENTUM * 4 ||
  offsetof<Group>("meanDecay") != GROUP_MEAN_DECAY * 4 ||
  offsetof<Group>("meanDecayComplement") != GROUP_MEAN_DECAY_COMPLEMENT * 4 ||
  offsetof<Group>("scalar0") != GROUP_SCALAR * 4 ||
  offsetof<Group>("clipEps") != (GROUP_SCALAR + GROUP_SCALARS) * 4 ||
  offsetof<Group>("clipEps") != GROUP_CLIP_EPS * 4
) ERROR("Group differs from src/abi/step-table.ts");

// @ts-ignore: decorator
@inline export function segmentAt(segmentsPtr: usize, index: u32): Segment {
  return changetype<Segment>(segmentsPtr + index * SEGMENT_BYTES);
}

// @ts-ignore: decorator
@inline export function groupOf(segment: Segment): Group {
  return changetype<Group>(<usize>segment.groupPtr);
}

/** Moves on by some bytes where a segment's arrays are, all but the sum of gradients. */
export function advance(segment: Segment, bytes: u32): void {
  const ptr = changetype<usize>(segment);
  const arrays = v128.load(ptr, offsetof<Segment>("state0Ptr"));
  const absent = i32x4.eq(arrays, i32x4.splat(0));
  v128.store(ptr, i32x4.add(arrays, v128.andnot(i32x4.splat(bytes), absent)), offsetof<Segment>("state0Ptr"));
  segment.paramPtr += bytes;
  segment.gradPtr += bytes;
}

/** A bit of `formOf` beside those of the form: the group's mode has transforms. So a loop keeps one word, not two. */
export const FORM_TRANSFORMS: u32 = 1 << 31;

// @ts-ignore: decorator
@inline export function formOf(group: Group): u32 {
  return group.mode & MODE_TRANSFORM ? group.form | FORM_TRANSFORMS : group.form;
}

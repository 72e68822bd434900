// What `transposeB` of `gemm_f32` says of B: 0 its steps are rows, 1 its lines are, 2 it is what `pack_f32` has written.

export const PACKED = 2;

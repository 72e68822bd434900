// The ABI of the reduce binary: sums, maxima and sums of tensors, and copies between layouts.

export { add_rows_f32, multiply_rows_f32, subtract_rows_f32 } from "./binary";
export { copy_rows_f32, transpose_f32 } from "./copy";
export { broadcast_f32, max_f32, mean_f32, sum_f32 } from "./reduce";

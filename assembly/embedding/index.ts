// The ABI of the embedding binary: rows by index, and sums of rows by index.

export { check_indices, collect_rows_f32, gather_f32, scatter_add_f32 } from "./embedding";

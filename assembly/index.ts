// The ABI of the core binaries: what the host may call. The contract of each kernel is at its definition.

export { gemm_f32, gemm_scratch_bytes } from "./gemm/gemm";
export { pack_f32 } from "./gemm/pack";
export { accumulate_f32 } from "./optim/accumulate";
export { measure_f32 } from "./optim/transform";
export { rmsprop_f32 } from "./optim/rmsprop";
export { is_relaxed } from "./simd";

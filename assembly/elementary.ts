// exp and log as kernels: a binary of its own, which only the tests of their accuracy use.

import { exp, log } from "./math";

export function exp_f32(count: usize, xPtr: usize, yPtr: usize): void {
  const end = xPtr + (count << 2);
  for (const last = xPtr + ((count >> 2) << 4); xPtr != last; xPtr += 16, yPtr += 16) {
    v128.store(yPtr, exp<v128>(v128.load(xPtr)));
  }
  for (; xPtr != end; xPtr += 4, yPtr += 4) store<f32>(yPtr, exp<f32>(load<f32>(xPtr)));
}

export function log_f32(count: usize, xPtr: usize, yPtr: usize): void {
  const end = xPtr + (count << 2);
  for (const last = xPtr + ((count >> 2) << 4); xPtr != last; xPtr += 16, yPtr += 16) {
    v128.store(yPtr, log<v128>(v128.load(xPtr)));
  }
  for (; xPtr != end; xPtr += 4, yPtr += 4) store<f32>(yPtr, log<f32>(load<f32>(xPtr)));
}

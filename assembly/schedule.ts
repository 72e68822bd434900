// Instructions that stay where they are written. AssemblyScript's optimizer moves a product to the sum that it is added
// to, and a processor then waits: pairs of multiplications before pairs of additions keep its pipes busy
// (docs/decisions/0012-order-of-instructions.md). Calls of imports it leaves in their order; scripts/schedule.mjs makes
// instructions of these when everything else is done. No binary imports anything but `env.memory`.

// @ts-ignore: decorator
@external("schedule", "f32x4.mul") declare function mulHere(a: v128, b: v128): v128;
// @ts-ignore: decorator
@external("schedule", "f32x4.add") declare function addHere(a: v128, b: v128): v128;

/**
 * At the head of a `do … while`: its body stands twelve times in the loop, each with its own exit. Fewer turns leave
 * fewer checks for interrupts, and V8 no copies to make.
 */
// @ts-ignore: decorator
@external("schedule", "repeat") export declare function repeat(): void;

/** The first half of `sum + a·b`: the product, rounded; where multiply-add is one instruction, nothing yet. */
// @ts-ignore: decorator
@inline export function product(a: v128, b: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? b : mulHere(a, b);
}

/** The second half: adds `half` = product(a, b), rounded; one rounding for both, at the engine's choice, if relaxed. */
// @ts-ignore: decorator
@inline export function addProduct(sum: v128, a: v128, half: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, half, sum) : addHere(sum, half);
}

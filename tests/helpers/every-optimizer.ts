import type { Core } from "../../src/core.js";
import * as lanewise from "../../src/index.js";

export type AnyOptimizer = lanewise.Optimizer;

/** A constructor of an optimizer, with options that any of them knows. */
export type OptimizerClass = new (core: Core, params: unknown, options?: Record<string, unknown>) => AnyOptimizer;

/** Every optimizer that the package exports, by name. */
export const everyOptimizer: readonly (readonly [name: string, make: OptimizerClass])[] = Object.entries(
  lanewise,
).flatMap(([name, value]) =>
  typeof value === "function" && "prototype" in value && typeof value.prototype?.stepRows === "function"
    ? [[name, value as unknown as OptimizerClass] as const]
    : [],
);

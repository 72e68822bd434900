import { unexpected } from "../../checks.js";
import { isRecord } from "../../optim/parameters.js";
import { Layer, type LayerConfig } from "../layer.js";
import { ACTIVATION_NAMES } from "../layers/activation.js";

/**
 * Functions that make layers, by the `kind` of what they make: `{ dense, relu }`, or everything with `import * as nn`.
 * Of other values that it has nothing is used.
 */
export type LayerFunctions = Readonly<Record<string, unknown>>;

/** Throws OptionError unless `options.layers` is an object of functions. */
export function checkLayerFunctions(layers: unknown): asserts layers is LayerFunctions {
  if (typeof layers === "object" && layers !== null && !Array.isArray(layers)) return;
  throw unexpected("options.layers", layers, "an object of functions, such as { dense, relu }");
}

type Maker = (...args: readonly unknown[]) => unknown;

/** What makes layers of a kind, among the object's own functions; `activation` makes those that it knows by name. */
export function makerOf(kind: string, functions: LayerFunctions): Maker | undefined {
  const own = (name: string): Maker | undefined => {
    const value = Object.hasOwn(functions, name) ? functions[name] : undefined;
    return typeof value === "function" ? (value as Maker) : undefined;
  };
  const byName = ACTIVATION_NAMES.includes(kind) ? own("activation") : undefined;
  return own(kind) ?? (byName && ((...args) => byName(kind, ...args)));
}

/** Whether a value among arguments is a layer. */
export function isConfig(value: unknown): value is LayerConfig {
  if (!isRecord(value) || Object.keys(value).length !== 2) return false;
  return Object.hasOwn(value, "kind") && typeof value.kind === "string" && Array.isArray(value.args);
}

/** Makes a layer of what `layerConfig` returned. Throws what its function throws. */
export function makeLayer({ kind, args }: LayerConfig, functions: LayerFunctions): Layer {
  const layer = makerOf(kind, functions)!(...args.map((value) => revive(value, functions)));
  if (layer instanceof Layer && layer.kind === kind) return layer;
  // With all of `nn` a file can name a function that returns a promise, whose rejection would be nobody's.
  Promise.resolve(layer).catch(() => {});
  throw new TypeError(`options.layers.${kind} returned something else than a layer of that kind`);
}

/** Arguments with the layers that they describe. */
function revive(value: unknown, functions: LayerFunctions): unknown {
  if (Array.isArray(value)) return value.map((member) => revive(member, functions));
  if (!isRecord(value)) return value;
  if (isConfig(value)) return makeLayer(value, functions);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, revive(member, functions)]));
}

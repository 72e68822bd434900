import { checkChoice, checkKeys } from "../checks.js";
import { OptionError } from "../errors.js";
import { type About, checkOptimizer, FORMAT, KEY, OPTIMIZER, PACKAGE, type StatefulOptimizer } from "./about.js";
import type { Bytes } from "./dtypes.js";
import { excessOf, valuesFor } from "./json.js";
import { type CheckpointParameters, namedParameters, shapeOf, valuesOf } from "./parameters.js";
import { pack } from "./plain.js";
import { checkPlain, checkTensorCount, type TensorSource, writeSafetensors } from "./safetensors.js";

/** What `saveCheckpoint` saves. */
export interface CheckpointSource {
  /**
   * A network, whose buffers are saved too; or as an optimizer takes them: a Tensor or Float32Array, an array or a
   * record of them, groups.
   */
  parameters: CheckpointParameters;
  optimizer?: StatefulOptimizer;
  /** Your own strings; the key `lanewise` is taken. */
  metadata?: Readonly<Record<string, string>>;
  /**
   * Of the parameters in the file; `"F16"` and `"BF16"` round to nearest, ties to even, for a file of half the size.
   * Default `"F32"`, which alone can be resumed, and so may have an optimizer.
   */
  dtype?: "F32" | "F16" | "BF16";
}

/**
 * Saves parameters, an optimizer's state and its description in one safetensors file.
 *
 * | tensor | |
 * |---|---|
 * | `name` | a parameter, with its shape |
 * | `optimizer/parameters/name/squareAverage` | a state array of it, flat |
 *
 * Everything else that the optimizer's `state()` and `description()` have is JSON in the metadata, under `lanewise`. A
 * schedule is code: pass it to the optimizer that resumes. What it remembers is saved. The same state gives the same bytes on every backend: every NaN is written as 0x7fc00000.
 *
 * @param source see `CheckpointSource`
 * @returns the file
 * @throws OptionError, DisposedError
 * @example
 * const bytes = saveCheckpoint({ parameters: model, optimizer: trainer });
 * await writeFile("model.safetensors", bytes);
 */
export function saveCheckpoint(source: CheckpointSource): Bytes {
  return writeCheckpoint(source, {});
}

/**
 * A checkpoint with more parts, plain data with arrays: `lanewise.<part>` in the metadata, and tensors `<part>/…`. They
 * are for other readers; `loadCheckpoint` passes them over.
 */
export function writeCheckpoint(source: CheckpointSource, parts: Readonly<Record<string, unknown>>): Bytes {
  checkKeys("source", source, ["parameters", "optimizer", "metadata", "dtype"]);
  const { parameters, optimizer, metadata = {}, dtype = "F32" } = source;
  checkPlain("metadata", metadata);
  if (Object.hasOwn(metadata, KEY)) throw new OptionError(`metadata.${KEY} is taken, expected another key`);
  checkChoice("dtype", dtype, ["F32", "F16", "BF16"]);
  checkOptimizer(optimizer);
  if (optimizer !== undefined && dtype !== "F32") {
    throw new OptionError(
      `dtype is "${dtype}", expected "F32" beside an optimizer: rounded parameters cannot be resumed`,
    );
  }
  const named = namedParameters(parameters);
  // First: what it allocates may move the memory that parameters are views of.
  const description = optimizer?.description?.();
  const state = optimizer?.state();
  const tensors = new Map<string, TensorSource>();
  for (const [name, parameter] of named) {
    if (name.startsWith(`${OPTIMIZER}/`))
      throw new OptionError(`parameters.${name}: names in "${OPTIMIZER}/" are taken`);
    tensors.set(name, { shape: shapeOf(parameter), data: valuesOf(parameter), dtype });
  }
  const about: About = { format: FORMAT, package: PACKAGE };
  if (state !== undefined) {
    about.optimizer = { ...(description && { description }), state: pack(state, OPTIMIZER, tensors) };
  }
  const others = Object.entries(parts).map(([part, value]) => [part, pack(value, part, tensors)] as const);
  checkTensorCount(tensors.size);
  const text = JSON.stringify({ ...about, ...Object.fromEntries(others) });
  // What readers would refuse is not written.
  const excess = excessOf(text, valuesFor(tensors.size));
  if (excess !== undefined) throw new OptionError(`what is saved beside the tensors ${excess}`);
  return writeSafetensors(tensors, { ...metadata, [KEY]: text });
}

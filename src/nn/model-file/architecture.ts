import { checkList, checkRecord, checkString } from "../../checkpoint/json.js";
import { describe, listOf, quote } from "../../checks.js";
import { CheckpointError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import type { LayerConfig } from "../layer.js";
import type { Model } from "../model.js";
import { isConfig, type LayerFunctions, makerOf } from "./layers.js";

/**
 * A model without its numbers, as a file has it. Its tensors are counted: the inputs from 0 on, then the output of each
 * node.
 */
export interface Architecture {
  readonly version: 1;
  /** Their shapes, without the batch. */
  readonly inputs: readonly Shape[];
  /** Every layer once, with the name that its parameters have in the model. */
  readonly layers: readonly LayerEntry[];
  /** Applications of layers in topological order; a layer may have several. */
  readonly nodes: readonly NodeEntry[];
  /** Numbers of tensors. */
  readonly outputs: readonly number[];
}

interface LayerEntry {
  readonly kind: string;
  readonly name: string;
  readonly args: readonly unknown[];
}

interface NodeEntry {
  /** Index among the layers. */
  readonly layer: number;
  /** Numbers of tensors. */
  readonly inputs: readonly number[];
}

const RANK = 32;
/** Elements of a row: 4 GiB of float32. */
const SIZE = 2 ** 30;

/** The architecture of a model. */
export function architectureOf(model: Model): Architecture {
  const { inputTensors, outputTensors, nodes } = model;
  const tensors = [...inputTensors, ...nodes.map(({ tensor }) => tensor)];
  const numbers = new Map(tensors.map((tensor, i) => [tensor, i]));
  const indices = new Map(model.layers.map((layer, i) => [layer, i]));
  const names = new Map(nodes.map(({ tensor, name }) => [tensor.layer!, name]));
  return {
    version: 1,
    inputs: inputTensors.map(({ shape }) => shape),
    layers: model.layers.map((layer) => ({ kind: layer.kind, name: names.get(layer)!, args: layer.config() })),
    nodes: nodes.map(({ tensor }) => ({
      layer: indices.get(tensor.layer!)!,
      inputs: tensor.inputs.map((each) => numbers.get(each)!),
    })),
    outputs: outputTensors.map((tensor) => numbers.get(tensor)!),
  };
}

/**
 * What a file says about a model, if it is an architecture of layers that `functions` can make. Nothing is made yet.
 *
 * @throws CheckpointError
 */
export function readArchitecture(path: string, value: unknown, functions: LayerFunctions): Architecture {
  const record = checkFields(path, value, ["version", "inputs", "layers", "nodes", "outputs"]);
  if (record.version !== 1) {
    throw new CheckpointError(`${path}.version is ${describe(record.version)}, expected 1`);
  }
  const inputs = checkList(`${path}.inputs`, record.inputs);
  if (inputs.length === 0) throw new CheckpointError(`${path}.inputs is empty, expected at least one shape`);
  for (const [i, shape] of inputs.entries()) checkShape(`${path}.inputs[${i}]`, shape);
  const layers = checkList(`${path}.layers`, record.layers);
  const names = new Set<string>();
  for (const [i, entry] of layers.entries()) {
    const at = `${path}.layers[${i}]`;
    const { name, ...config } = checkFields(at, entry, ["kind", "name", "args"]);
    const known = checkString(`${at}.name`, name);
    if (known === "" || names.has(known)) {
      throw new CheckpointError(`${at}.name is ${quote(known)}, expected one that is not empty and no other layer's`);
    }
    names.add(known);
    checkConfig(at, config, functions);
  }
  const nodes = checkList(`${path}.nodes`, record.nodes);
  const used = new Set<number>();
  for (const [i, entry] of nodes.entries()) {
    const at = `${path}.nodes[${i}]`;
    const { layer, inputs: from } = checkFields(at, entry, ["layer", "inputs"]);
    used.add(checkIndex(`${at}.layer`, layer, layers.length));
    checkIndices(`${at}.inputs`, from, inputs.length + i);
  }
  const outputs = checkIndices(`${path}.outputs`, record.outputs, inputs.length + nodes.length);
  const unused = layers.findIndex((_, i) => !used.has(i));
  if (unused >= 0) throw new CheckpointError(`${path}.layers[${unused}] is in no node, expected it in one`);
  const architecture = record as unknown as Architecture;
  checkReached(path, architecture, outputs);
  return architecture;
}

/** Throws unless every node contributes to an output. */
function checkReached(path: string, { inputs, nodes }: Architecture, outputs: readonly number[]): void {
  const reached = new Set(outputs);
  for (let i = nodes.length - 1; i >= 0; i--) {
    if (!reached.has(inputs.length + i)) {
      throw new CheckpointError(`${path}.nodes[${i}] contributes to no output, expected it to`);
    }
    for (const input of nodes[i]!.inputs) reached.add(input);
  }
}

/** A record with these fields and no others. */
function checkFields(path: string, value: unknown, fields: readonly string[]): Record<string, unknown> {
  const record = checkRecord(path, value);
  for (const field of fields) {
    if (!Object.hasOwn(record, field)) throw new CheckpointError(`${path}.${field} is missing`);
  }
  const other = Object.keys(record).find((key) => !fields.includes(key));
  if (other === undefined) return record;
  throw new CheckpointError(`${path} has ${quote(other)}, expected ${listOf(fields)} alone`);
}

/** Throws CheckpointError unless `value` is a shape that memory could have room for. */
export function checkShape(path: string, value: unknown): void {
  const shape = checkList(path, value);
  const bad = shape.findIndex((size) => !(Number.isInteger(size) && (size as number) >= 1));
  if (bad >= 0) throw new CheckpointError(`${path}[${bad}] is ${describe(shape[bad])}, expected an integer >= 1`);
  if (shape.length > RANK) throw new CheckpointError(`${path} has ${shape.length} axes, expected at most ${RANK}`);
  if (shape.reduce<number>((size, length) => size * (length as number), 1) > SIZE) {
    throw new CheckpointError(`${path} is [${shape}], expected at most ${SIZE} elements`);
  }
}

/** Throws unless a layer and those among its arguments can be made with `functions`. */
export function checkConfig(
  path: string,
  { kind, args }: Partial<Record<keyof LayerConfig, unknown>>,
  functions: LayerFunctions,
): void {
  checkKind(`${path}.kind`, kind, functions);
  checkArguments(`${path}.args`, checkList(`${path}.args`, args), functions);
}

function checkKind(path: string, kind: unknown, functions: LayerFunctions): void {
  if (makerOf(checkString(path, kind), functions) !== undefined) return;
  throw new CheckpointError(`${path} is ${describe(kind)}, which is not among the functions in options.layers`);
}

/** Throws for keys that no arguments have, and for layers among them that cannot be made. */
function checkArguments(path: string, value: unknown, functions: LayerFunctions): void {
  if (Array.isArray(value)) {
    for (const [i, member] of value.entries()) checkArguments(`${path}[${i}]`, member, functions);
  } else if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
    if (isConfig(value)) checkKind(`${path}.kind`, value.kind, functions);
    for (const [key, member] of Object.entries(value)) {
      if (key === "__proto__") throw new CheckpointError(`${path} has "__proto__", expected another key`);
      checkArguments(`${path}.${key}`, member, functions);
    }
  }
}

function checkIndex(path: string, value: unknown, count: number): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) < count) return value as number;
  throw new CheckpointError(`${path} is ${describe(value)}, expected an integer from 0 to ${count - 1}`);
}

function checkIndices(path: string, value: unknown, count: number): readonly number[] {
  const list = checkList(path, value);
  if (list.length === 0) throw new CheckpointError(`${path} is empty, expected at least one tensor`);
  return list.map((each, i) => checkIndex(`${path}[${i}]`, each, count));
}

import { OptionError } from "../errors.js";
import { sizeOf } from "../tensor.js";
import type { Loss } from "./losses/loss.js";
import type { Model } from "./model.js";
import { Plan } from "./plan.js";
import { PlanBuilder } from "./plan-builder.js";
import type { SymbolicTensor } from "./symbolic.js";
import { RunArgument, Value } from "./value.js";

/** What is planned besides the forward pass. */
export interface PlanOptions {
  /** Whether dropout drops, and so on. */
  readonly training: boolean;
  /** Plans the backward pass too. */
  readonly gradients: boolean;
  /** Plans the gradients of the inputs too. */
  readonly inputGradients?: boolean;
  /** One loss for each output, and for each whether its targets are class indices. */
  readonly losses?: readonly Loss[];
  readonly areIndices?: readonly boolean[];
  /** Whether losses weight the rows. */
  readonly weighted?: boolean;
}

/** A model for one number of rows: its calls, and what a run sets and reads. */
export interface ModelPlan {
  readonly plan: Plan;
  /** Addresses of the inputs. */
  readonly inputs: readonly RunArgument[];
  /** Addresses of the targets, or without a loss of the gradients of the outputs. */
  readonly targets: readonly RunArgument[];
  /** Address of the weights of the rows. */
  readonly weights: RunArgument;
  readonly outputs: readonly Value[];
  readonly inputGradients: readonly (Value | undefined)[];
}

/** Plans a model for this number of rows. Throws what a layer throws, and OutOfMemoryError; it then frees what it made. */
export function planModel(model: Model, rows: number, options: PlanOptions): ModelPlan {
  const { training, gradients, inputGradients: wantsInputGradients = false, losses, areIndices, weighted } = options;
  const builder = new PlanBuilder(model.context, rows, training, gradients);
  try {
    const given = (shape: readonly number[], needsGradient: boolean) =>
      new Value(shape, rows * sizeOf(shape), new RunArgument(), needsGradient);
    const inputs = model.inputTensors.map(({ shape }) => given(shape, wantsInputGradients));
    const rowWeights = given([], false);
    const weights = weighted ? rowWeights : undefined;
    const outputs = planNodes(model, builder, inputs, losses);
    const targets = outputs.map((y, i) => {
      const value = given(y.shape, false);
      const loss = losses?.[i];
      if (loss !== undefined) loss.plan(builder, y, { value, areIndices: areIndices?.[i] ?? false, weights });
      else if (gradients) builder.passGradient(y, value);
      return value;
    });
    const dx = gradients ? builder.emitBackward(inputs) : [];
    if (!(losses && gradients)) for (const y of outputs) builder.kept.add(y);
    for (const value of dx) if (value !== undefined) builder.kept.add(value);
    model.context.rewrite?.(builder.calls.forward);
    const plan = new Plan(model.core, builder);
    const place = (value: Value) => value.place as RunArgument;
    return {
      plan,
      inputs: inputs.map(place),
      targets: targets.map(place),
      weights: place(rowWeights),
      outputs,
      inputGradients: dx,
    };
  } catch (error) {
    builder.dispose();
    throw error;
  }
}

/** Plans every layer, in topological order; returns the values of the outputs. */
function planNodes(
  model: Model,
  builder: PlanBuilder,
  inputs: readonly Value[],
  losses: readonly Loss[] | undefined,
): Value[] {
  const values = new Map<SymbolicTensor, Value>(model.inputTensors.map((tensor, i) => [tensor, inputs[i]!]));
  /** What enters the activations that losses compute themselves. */
  const absorbed = new Map<SymbolicTensor, Value>();
  for (const [node, { tensor, name, hasParameters, isRead }] of model.nodes.entries()) {
    const layer = tensor.layer!;
    const xs = tensor.inputs.map((x) => values.get(x)!);
    const own = (losses ?? []).filter((_, i) => model.outputTensors[i] === tensor);
    const needsGradient = hasParameters || xs.some((x) => x.needsGradient);
    const last = layer.activation ?? layer;
    let y = xs[0]!;
    for (const part of new Set([layer, last])) {
      if (part === last) {
        const kinds = own.map((loss) => absorbs(loss, last.activationName));
        if (kinds.includes(true)) absorbed.set(tensor, y);
        if (!isRead && kinds.length > 0 && !kinds.includes(false)) break;
      }
      const inputs = part === layer ? xs : [y];
      y = builder.layer(name, node, needsGradient, () => part.plan(builder, ...inputs));
      checkGradient(builder, part.kind, y, inputs);
    }
    values.set(tensor, y);
  }
  return model.outputTensors.map((tensor, i) => {
    const own = losses?.[i]?.absorbs === undefined ? undefined : absorbed.get(tensor);
    return own ?? values.get(tensor)!;
  });
}

/** Whether a loss computes this activation itself. Throws for one that it would take for logits. */
function absorbs(loss: Loss, activation: string | undefined): boolean {
  if (loss.absorbs === undefined || activation === loss.absorbs) return loss.absorbs !== undefined;
  if (activation !== "softmax" && activation !== "sigmoid") return false;
  throw new OptionError(`the model ends in ${activation}, expected ${loss.absorbs} or none for ${loss.name}`);
}

/** A layer that forgets its backward pass would cut the layers before it off, and they would not train. */
function checkGradient(builder: PlanBuilder, kind: string, y: Value, xs: readonly Value[]): void {
  if (!y.needsGradient || xs.includes(y) || builder.hasBackward(y)) return;
  throw new OptionError(`plan of layer "${kind}" returned a value without builder.backward(y, …)`);
}

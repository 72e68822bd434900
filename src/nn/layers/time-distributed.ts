import { checkKeys, unexpected } from "../../checks.js";
import { ShapeError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import { type BufferSpec, Layer, layerConfig, type ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";
import { checkName, optionList } from "./options.js";

/** Options of `timeDistributed`. */
export interface TimeDistributedOptions {
  /** Its name in the model's parameters. Default: its number. */
  name?: string;
}

/** What `timeDistributed` makes. */
export class TimeDistributedLayer extends Layer {
  readonly kind = "timeDistributed";
  readonly layer: Layer;

  constructor(layer: Layer, options: TimeDistributedOptions) {
    if (!(layer instanceof Layer)) throw unexpected("layer", layer, "a layer such as dense(10)");
    checkKeys("options", options, ["name"]);
    const { activation } = layer;
    super(checkName(options.name), activation && new TimeDistributedLayer(activation, {}));
    this.layer = layer;
  }

  override get activationName(): string | undefined {
    return this.layer.activationName;
  }

  override config(): readonly unknown[] {
    return [layerConfig(this.layer), ...optionList({ name: this.name })];
  }

  override get carriesState(): boolean {
    return this.layer.carriesState;
  }

  override outputShape(...inputs: readonly Shape[]): Shape {
    const steps = inputs[0]?.[0];
    const bad = inputs.find((shape) => shape.length < 2 || shape[0] !== steps);
    if (bad !== undefined) {
      const expected = bad.length < 2 ? "[steps, …] with more axes" : `${steps} steps as the first input has`;
      throw new ShapeError(`timeDistributed was applied to shape [${bad}], expected ${expected}`);
    }
    return [steps!, ...this.layer.outputShape(...stepsOf(inputs))];
  }

  override parameters(...inputs: readonly Shape[]): readonly ParameterSpec[] {
    return this.layer.parameters(...stepsOf(inputs));
  }

  override buffers(...inputs: readonly Shape[]): readonly BufferSpec[] {
    return this.layer.buffers(...stepsOf(inputs));
  }

  override plan(builder: PlanBuilder, ...inputs: readonly Value[]): Value {
    const steps = inputs[0]!.shape[0]!;
    const y = builder.within("", builder.rows * steps, () => {
      return this.layer.plan(builder, ...inputs.map((x) => builder.view(x, x.shape.slice(1))));
    });
    return builder.view(y, [steps, ...y.shape]);
  }
}

/** The shapes of one step. */
function stepsOf(inputs: readonly Shape[]): Shape[] {
  return inputs.map((shape) => shape.slice(1));
}

/**
 * A layer applied to every step of a sequence by itself, with the same parameters: x [steps, …] becomes [steps, …]. Its
 * batch is that of all steps, so that batch normalization normalizes over all of them.
 *
 * @param layer any layer; its parameters keep their names
 * @param options see `TimeDistributedOptions`
 * @throws OptionError
 * @example
 * const model = new Sequential(core, [timeDistributed(dense(16)), lstm(32)], { inputShape: [64, 8] });
 */
export function timeDistributed(layer: Layer, options: TimeDistributedOptions = {}): TimeDistributedLayer {
  return new TimeDistributedLayer(layer, options);
}

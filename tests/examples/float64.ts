/** The options of RMSProp that the examples use. */
export interface Options64 {
  learningRate: number | ((iteration: number) => number);
  decay: number;
  eps?: number;
  ratio?: boolean;
  centered?: boolean;
  initialScale?: number;
}

/** RMSProp in float64, from its formulas: what the examples' float32 is held against. */
export class RMSProp64 {
  readonly v: number[];
  readonly #m: number[];
  readonly #options: Options64;
  #iteration = 0;

  constructor(size: number, options: Options64) {
    this.v = new Array(size).fill(options.initialScale ?? 0);
    this.#m = new Array(size).fill(0);
    this.#options = options;
  }

  step(theta: number[] | Float64Array, g: ArrayLike<number>): void {
    const { learningRate, decay, eps = 1e-8, ratio, centered } = this.#options;
    const rate = typeof learningRate === "number" ? learningRate : learningRate(this.#iteration);
    for (let i = 0; i < g.length; i++) {
      this.v[i] = decay * this.v[i]! + (1 - decay) * g[i]! ** 2;
      this.#m[i] = decay * this.#m[i]! + (1 - decay) * g[i]!;
      const s = centered ? this.v[i]! - this.#m[i]! ** 2 : this.v[i];
      theta[i]! -= rate * g[i]! * (ratio ? Math.sqrt(s!) / (s! + eps) : 1 / Math.sqrt(s! + eps));
    }
    this.#iteration++;
  }
}

/** The start and the points after each step of RMSProp. */
export function descend64(
  gradient: (point: number[]) => number[],
  start: number[],
  steps: number,
  options: Options64,
): { points: number[][]; optimizer: RMSProp64 } {
  const optimizer = new RMSProp64(start.length, options);
  const points = [start];
  for (let i = 0; i < steps; i++) {
    const point = [...points[i]!];
    optimizer.step(point, gradient(point));
    points.push(point);
  }
  return { points, optimizer };
}

/** How far an RMSProp of one parameter goes down at each of these gradients. */
export function stepLengths64(gradients: readonly number[], options: Options64): number[] {
  const optimizer = new RMSProp64(1, options);
  return gradients.map((gradient) => {
    const theta = [0];
    optimizer.step(theta, [gradient]);
    return -theta[0]!;
  });
}

/** A dense layer and its activation: y = f(x·W + b), the slope of f as a function of y. */
interface Layer64 {
  weight: Float64Array;
  bias: Float64Array;
  activation: "tanh" | "relu" | "none";
}

/**
 * A network of dense layers with one output and the mean squared error, in float64: sample by sample and weight by
 * weight, where the library multiplies matrices.
 */
export class Network64 {
  readonly #layers: Layer64[];

  /** @param parameters weight and bias of each layer, first to last */
  constructor(parameters: readonly ArrayLike<number>[], activations: readonly Layer64["activation"][]) {
    this.#layers = activations.map((activation, i) => ({
      weight: Float64Array.from(parameters[2 * i]!),
      bias: Float64Array.from(parameters[2 * i + 1]!),
      activation,
    }));
  }

  /** The output of every layer. */
  #forward(x: Float64Array): Float64Array[] {
    const outputs = [x];
    for (const { weight, bias, activation } of this.#layers) {
      const input = outputs[outputs.length - 1];
      const output = bias.slice();
      for (let i = 0; i < input!.length; i++) {
        for (let j = 0; j < output.length; j++) output[j]! += input![i]! * weight[i * output.length + j]!;
      }
      if (activation === "tanh") for (let j = 0; j < output.length; j++) output[j] = Math.tanh(output[j]!);
      if (activation === "relu") for (let j = 0; j < output.length; j++) output[j] = Math.max(output[j]!, 0);
      outputs.push(output);
    }
    return outputs;
  }

  predict(x: Float64Array): number {
    return this.#forward(x)[this.#layers.length]![0]!;
  }

  loss(x: Float64Array[], y: ArrayLike<number>): number {
    return x.reduce((sum, row, i) => sum + (this.predict(row) - y[i]!) ** 2, 0) / x.length;
  }

  /** The loss at the current parameters, and its gradients in their order. */
  gradients(x: Float64Array[], y: ArrayLike<number>): { loss: number; gradients: Float64Array[] } {
    const gradients = this.parameters.map(({ length }) => new Float64Array(length));
    let loss = 0;
    x.forEach((row, r) => {
      const outputs = this.#forward(row);
      const error = outputs[this.#layers.length]![0]! - y[r]!;
      loss += error ** 2 / x.length;
      let delta = Float64Array.of((2 * error) / x.length);
      for (let l = this.#layers.length - 1; l >= 0; l--) {
        const { weight, activation } = this.#layers[l]!;
        const input = outputs[l];
        const output = outputs[l + 1];
        for (let j = 0; j < delta.length; j++) {
          if (activation === "tanh") delta[j]! *= 1 - output![j]! ** 2;
          if (activation === "relu" && output![j]! <= 0) delta[j] = 0;
          gradients[2 * l + 1]![j]! += delta[j]!;
        }
        const weightGradient = gradients[2 * l];
        const below = new Float64Array(l === 0 ? 0 : input!.length);
        for (let i = 0; i < input!.length; i++) {
          for (let j = 0; j < delta.length; j++) {
            weightGradient![i * delta.length + j]! += input![i]! * delta[j]!;
            if (l > 0) below[i]! += weight[i * delta.length + j]! * delta[j]!;
          }
        }
        delta = below;
      }
    });
    return { loss, gradients };
  }

  get parameters(): Float64Array[] {
    return this.#layers.flatMap(({ weight, bias }) => [weight, bias]);
  }
}

/** Steps on each of `batches` in turn, `epochs` times over. Returns the loss of each batch before its step. */
export function train64(
  network: Network64,
  batches: { x: Float64Array[]; y: ArrayLike<number> }[],
  epochs: number,
  options: Options64,
  onEpoch: () => void = () => {},
): number[] {
  const optimizers = network.parameters.map(({ length }) => new RMSProp64(length, options));
  const losses: number[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const { x, y } of batches) {
      const { loss, gradients } = network.gradients(x, y);
      network.parameters.forEach((parameter, i) => {
        optimizers[i]!.step(parameter, gradients[i]!);
      });
      losses.push(loss);
    }
    onEpoch();
  }
  return losses;
}

/** Rows of `width` numbers each. */
export function rowsOf(values: Float32Array, width: number): Float64Array[] {
  return Array.from({ length: values.length / width }, (_, i) =>
    Float64Array.from(values.subarray(i * width, (i + 1) * width)),
  );
}

/** The largest |actual − expected| / max(|expected|, floor). */
export function largestError(actual: ArrayLike<number>, expected: ArrayLike<number>, floor: number): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} numbers, expected ${expected.length}`);
  // Not Math.max, which would have to be told of NaN.
  return Array.from(expected, (value, i) => Math.abs(actual[i]! - value) / Math.max(Math.abs(value), floor)).reduce(
    (worst, error) => (error <= worst ? worst : error),
    0,
  );
}

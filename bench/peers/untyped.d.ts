/** brain.js 1 has no types of its own; what the bench uses of it. */
declare module "brain.js" {
  interface NeuralNetwork {
    sizes: number[];
    /** By layer from 1 on, then by output: the weights of its inputs. */
    weights: Float32Array[][];
    biases: Float32Array[];
    initialize(): void;
    trainPattern(row: { input: ArrayLike<number>; output: ArrayLike<number> }, logErrorRate: true): number;
  }
  const brain: {
    NeuralNetwork: new (options: { activation: string; learningRate: number; momentum: number }) => NeuralNetwork;
  };
  export default brain;
}

/** ConvNetJS has no types of its own; what the bench uses of it. */
declare module "convnetjs" {
  const convnet: {
    Net: new () => { makeLayers(definitions: object[]): void; layers: unknown[] };
    Trainer: new (net: unknown, options: object) => { train(x: unknown, y: unknown): { loss: number } };
    Vol: new (width: number, height: number, depth: number, value: number) => unknown;
  };
  export default convnet;
}

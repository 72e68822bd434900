/** ConvNetJS has no types of its own; what the bench uses of it. */
declare module "convnetjs" {
  const convnet: {
    Net: new () => { makeLayers(definitions: object[]): void; layers: unknown[] };
    Trainer: new (net: unknown, options: object) => { train(x: unknown, y: unknown): { loss: number } };
    Vol: new (width: number, height: number, depth: number, value: number) => unknown;
  };
  export default convnet;
}

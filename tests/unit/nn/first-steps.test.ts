import { expect, expectTypeOf, it } from "vitest";
import { loadCheckpoint, readSafetensors, saveCheckpoint } from "../../../src/checkpoint/index.js";
import { Adam, OptionError, RMSProp, ShapeError, type Tensor } from "../../../src/index.js";
import * as nn from "../../../src/nn/index.js";
import { makeCore } from "../../helpers/cores.js";

// What people write who know another library: each mistake says what to write instead.

const core = makeCore("js");
const network = (): nn.Sequential => new nn.Sequential(core, [nn.dense(3)], { inputShape: [4], seed: 1 });
const trainerOf = (model: nn.Model): nn.Trainer<Adam> =>
  new nn.Trainer(model, {
    loss: nn.softmaxCrossEntropy(),
    optimizer: (parameters) => new Adam(core, parameters),
  });
const data = {
  x: [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ],
  y: [0, 2],
};

it("a step needs gradients: they are not inside the parameters", () => {
  const model = network();
  const optimizer = new RMSProp(core, model.parameters);
  expect(() => optimizer.step(undefined)).toThrow(
    "grads is undefined, expected the gradients, such as step(model.grad",
  );
  const list = new RMSProp(core, [new Float32Array(2)]);
  expect(() => list.step(undefined)).toThrow(OptionError);
  expect([optimizer.iterations, list.iterations]).toEqual([0, 0]);
  list.step(null); // says so
  new RMSProp(core, new Float32Array(2)).step(undefined); // one parameter without a gradient
});

it("an optimizer takes a model's parameters, and a trainer a function", () => {
  const model = network();
  expect(() => new Adam(core, model as never)).toThrow(
    "params is Sequential, expected its parameters: model.parameters",
  );
  const options = { loss: nn.softmaxCrossEntropy(), optimizer: Adam as never };
  expect(() => new nn.Trainer(model, options)).toThrow(
    "optimizer is function Adam, expected a function such as (p) => new RMSProp(core, p)",
  );
});

it("objects of few options are shown, and instances are named", async () => {
  const model = network();
  const trainer = trainerOf(model);
  await expect(trainer.fit(data.x as never, data.y as never).next()).rejects.toThrow(
    "data is Array(2), expected an object { x, y }",
  );
  const options = { validation: [data.x, data.y] as never };
  await expect(trainer.fit(data, options).next()).rejects.toThrow(
    "validation is Array(2), expected an object { x, y }",
  );
  expect(() => nn.dense(3, "relu" as never)).toThrow('options is "relu", expected an object { activation, bias, ini');
  expect(() => saveCheckpoint(model as never)).toThrow("is not an option (source is Sequential); known are parameters");
});

it("layers that do not fit are told by the shape before them", () => {
  expect(() => new nn.Sequential(core, [nn.dense(8, 3)], { inputShape: [4] })).toThrow(
    "layers[0] takes 8 inputs, but inputShape is [4]",
  );
  expect(() => new nn.Sequential(core, [nn.dense(4, 3), nn.dense(4, 2)])).toThrow(
    "layers[1] takes 4 inputs, but the layer before it has 3 outputs",
  );
  expect(() => new nn.Sequential([nn.dense(3)] as never, undefined as never)).toThrow(
    "core is Array(1), expected a Core",
  );
  const model = new nn.Sequential(core, [nn.conv2d(2), nn.dense(10)], { inputShape: [4, 4, 1] }); // no flatten
  expect(() => trainerOf(model).step(new Float32Array(16), [1])).toThrow(
    "y has 1 elements for 1 rows of x, expected 4 class indices or 40 values: the model's outputs are [rows, 2, 2, 10]",
  );
});

it("a layer of one input does not ignore a second one", () => {
  const [a, b] = [nn.input([3]), nn.input([3])];
  expect(() => nn.dense(2).apply([a, b])).toThrow(
    new ShapeError("dense was applied to 2 inputs, expected one: concat() joins several"),
  );
  expect(() => nn.batchNorm().apply([a, b])).toThrow(ShapeError);
  expect(nn.dense(2).apply([a]).shape).toEqual([2]);
  const [x, ids, h, c] = [nn.input([5, 4]), nn.input([5]), nn.input([2]), nn.input([2])];
  expect(nn.lstm(2, { masked: true }).apply([x, ids, h, c]).shape).toEqual([2]);
  expect(nn.bidirectional(nn.gru(2, { masked: true })).apply([x, ids]).shape).toEqual([4]);
});

it("an initializer that was not called has a name", () => {
  const layers = [nn.dense(3, { name: "head", initializer: nn.heNormal as never })];
  expect(() => new nn.Sequential(core, layers, { inputShape: [4] })).toThrow(
    "initializer of head.weight: source(0) returned a function, expected a number",
  );
});

it("numbers are in the range that is told", () => {
  expect(() => nn.dropout(1)).toThrow("rate is 1, expected a number >= 0 and < 1");
  expect(() => nn.dropout("0.5" as never)).toThrow(OptionError);
  expect(nn.dropout(1 - 2 ** -24).rate).toBe(1 - 2 ** -24);
  expect(() => core.tensor([[1, 2]] as never)).toThrow(
    new ShapeError("shape is [Array(2)], expected integers >= 0; values come after the shape: tensor([2, 2], values)"),
  );
});

it("what early stopping watches is checked before the first epoch", async () => {
  const model = network();
  const trainer = trainerOf(model);
  const before = model.parameters["0.weight"]!.data.slice();
  const watch = (monitor: string, options: nn.FitOptions = {}): Promise<unknown> =>
    Promise.resolve(trainer.fit(data, { ...options, earlyStopping: { monitor } }));
  await expect(watch("validation.loss")).rejects.toThrow(
    'monitor is "validation.loss", expected one of "loss"; "validation.…" needs the option validation',
  );
  await expect(watch("val_loss", { validation: data, metrics: ["f1"] })).rejects.toThrow(
    /"val_loss", expected one of "loss", "f1", "validation.accuracy", "validation.loss", "validation.f1"$/,
  );
  expect(model.parameters["0.weight"]!.data).toEqual(before);
  for (const monitor of ["f1", "validation.f1", "validation.accuracy"]) {
    await watch(monitor, { validation: data, metrics: ["f1"] });
  }
  await expect(watch("confusionMatrix", { metrics: ["confusionMatrix"] })).rejects.toThrow(OptionError);
});

it("a file may be an ArrayBuffer, as fetch and uploads return it", () => {
  const model = network();
  const bytes = nn.saveModel(model);
  const { buffer } = Uint8Array.from(bytes);
  expect(nn.loadModel(core, buffer, { layers: nn }).model.predict([1, 2, 3, 4]).data).toEqual(
    model.predict([1, 2, 3, 4]).data,
  );
  expect(loadCheckpoint(buffer, { parameters: model }).loaded).toEqual(["0.weight", "0.bias"]);
  expect([...readSafetensors(buffer).tensors.keys()]).toEqual([...readSafetensors(bytes).tensors.keys()]);
  expect(() => readSafetensors(new DataView(buffer) as never)).toThrow("expected a Uint8Array or an ArrayBuffer");
});

it("nested rows say how many and how wide they are", () => {
  const { mean } = nn.fitStandardizer(data.x).state;
  expect(mean).toEqual([3, 4, 5, 6]);
  expect(nn.fitStandardizer([[new Float32Array([1, 2])], [new Float32Array([3, 4])]]).state.mean).toEqual([2, 3]);
  expect(() => nn.fitStandardizer([1, 2])).toThrow("columns is undefined");
  expect(nn.splitRows(data)).toEqual(nn.splitRows(data, { rows: 2 }));
  expect(() => nn.splitRows({ x: [1, 2], y: [0, 2] })).toThrow("rows is undefined");
});

it("several outputs and metadata have types", () => {
  const x = nn.input([2]);
  const model = new nn.Model(core, { inputs: x, outputs: [nn.dense(1).apply(x), nn.dense(3).apply(x)], seed: 1 });
  const [a, b] = model.forward<Tensor[]>([1, 2]);
  expect([a!.shape, b!.shape]).toEqual([
    [1, 1],
    [1, 3],
  ]);
  expectTypeOf(network().forward([1, 2, 3, 4])).toEqualTypeOf<Tensor>();
  const bytes = nn.saveModel(network(), { metadata: { labels: ["a", "b"] } });
  const { labels }: { labels: string[] } = nn.loadModel(core, bytes, { layers: nn }).metadata;
  expect(labels).toEqual(["a", "b"]);
});

it("metrics have types by their names", () => {
  const { metrics = {} } = trainerOf(network()).evaluate(data.x, data.y, { metrics: ["f1", "confusionMatrix"] });
  expectTypeOf(metrics.f1).toEqualTypeOf<number | undefined>();
  expectTypeOf(metrics.confusionMatrix).toEqualTypeOf<number[][] | undefined>();
  expectTypeOf(metrics.mine!).toEqualTypeOf<number | number[][]>();
  expect(metrics.f1).toBeTypeOf("number");
});

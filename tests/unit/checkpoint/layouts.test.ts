import { describe, expect, it } from "vitest";
import {
  type ImportedOptimizer,
  keras3,
  type Layout,
  optax,
  pytorch,
  type Safetensors,
  type StoredTensor,
  tfjs,
} from "../../../src/checkpoint/index.js";
import { CheckpointError, OptionError, RMSProp, type RMSPropOptions, SGD } from "../../../src/index.js";
import { makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

// What the frameworks' own files become is tested in tests/golden/checkpoint.test.ts.

const core = makeCore("js");
const parameters = { w: core.tensor([2, 3]), b: new Float32Array(2) };

const array = (shape: number[], seed: number): StoredTensor => ({
  shape,
  data: randomValues(
    shape.reduce((size, n) => size * n, 1),
    seed,
  ),
});
const number = (value: number): StoredTensor => ({ shape: [], data: Float32Array.of(value) });

const RMSPROP_GROUP = { lr: 0.01, momentum: 0.9, alpha: 0.99, eps: 1e-8, centered: false, weight_decay: 0 };

function torchFile(optimizer: string, groups: object[], tensors: [string, StoredTensor][]): Safetensors {
  return { tensors: new Map(tensors), metadata: { optimizer, param_groups: JSON.stringify(groups) } };
}

const torch = torchFile(
  "RMSprop",
  [{ ...RMSPROP_GROUP, params: [0, 1] }],
  [
    ["state/0/step", number(3)],
    ["state/0/square_avg", array([2, 3], 1)],
    ["state/0/momentum_buffer", array([2, 3], 2)],
    ["state/1/step", number(2)],
    ["state/1/square_avg", array([2], 3)],
    ["state/1/momentum_buffer", array([2], 4)],
  ],
);
const keras: Safetensors = {
  tensors: new Map([
    ["my_optimizer/iteration", { shape: [], data: Int32Array.of(3) }],
    ["my_optimizer/learning_rate", number(0.5)],
    ["my_optimizer/w_velocity", array([2, 3], 1)],
    ["my_optimizer/b_velocity", array([2], 2)],
    ["my_optimizer/w_momentum", array([2, 3], 3)],
    ["my_optimizer/b_momentum", array([2], 4)],
  ]),
  metadata: {
    config: JSON.stringify({
      name: "my_optimizer",
      learning_rate: { class_name: "ExponentialDecay" },
      rho: 0.8,
      momentum: 0.9,
      weight_decay: 0.01,
      clipnorm: null,
      use_ema: false,
      ema_momentum: 0.99,
      gradient_accumulation_steps: null,
    }),
  },
};
const optaxFile: Safetensors = {
  tensors: new Map([
    ["0/count", { shape: [], data: Int32Array.of(4) }],
    ["0/nu/b", array([2], 1)],
    ["0/nu/w", array([2, 3], 2)],
  ]),
  metadata: { config: '{"learning_rate": 0.01, "eps_in_sqrt": false, "bias_correction": true, "momentum": null}' },
};
const tf: Safetensors = {
  tensors: new Map([
    ["iter", { shape: [], data: Int32Array.of(5) }],
    ["w/rms", array([2, 3], 1)],
    ["b/rms", array([2], 2)],
    ["w/momentum", array([2, 3], 3)],
    ["b/momentum", array([2], 4)],
  ]),
  metadata: { config: '{"learningRate": 0.01, "decay": 0.95, "momentum": 0, "epsilon": 1e-7, "centered": false}' },
};

/** An optimizer that is nothing but what was imported. */
const holding = ({ state, ...description }: ImportedOptimizer) => ({
  state: () => state,
  load() {},
  description: () => description,
});

const edited = (file: Safetensors, tensors: Record<string, StoredTensor | undefined>, metadata = {}): Safetensors => {
  const all = Object.entries({ ...Object.fromEntries(file.tensors), ...tensors });
  const given = all.filter((entry): entry is [string, StoredTensor] => entry[1] !== undefined);
  return { tensors: new Map(given), metadata: { ...file.metadata, ...metadata } };
};
const groups = (...each: object[]) => ({ param_groups: JSON.stringify(each) });
const config = (record: object) => ({ config: JSON.stringify(record) });

describe("pytorch", () => {
  it("keeps counts, groups and options apart", () => {
    const two = [
      { ...RMSPROP_GROUP, params: [0] },
      { ...RMSPROP_GROUP, lr: 1, params: [1] },
    ];
    const imported = pytorch.import({ ...torch, metadata: { optimizer: "RMSprop", ...groups(...two) } }, parameters);
    expect(imported.state.iterations).toBe(3);
    expect(imported.state.parameters.b).toEqual({
      iterations: 2,
      squareAverage: randomValues(2, 3),
      momentumBuffer: randomValues(2, 4),
    });
    expect(imported.groups.map((group) => [group.parameters, group.options.learningRate])).toEqual([
      [["w"], 0.01],
      [["b"], 1],
    ]);
    const exported = pytorch.export({ parameters, optimizer: holding(imported) });
    expect([...exported.tensors]).toEqual([...torch.tensors]);
    const saved = JSON.parse(exported.metadata.param_groups!);
    expect(saved[0]).toMatchObject({ ...two[0], param_names: ["w"] });
    expect(saved[1]).toMatchObject({ ...two[1], param_names: ["b"], foreach: null });
  });

  it("goes by names where both sides have them", () => {
    const group = { ...RMSPROP_GROUP, param_names: ["b", "w"], params: [0, 1] };
    const swapped = torchFile(
      "RMSprop",
      [group],
      [
        ["state/0/step", number(1)],
        ["state/0/square_avg", array([2], 1)],
        ["state/0/momentum_buffer", array([2], 2)],
        ["state/1/step", number(1)],
        ["state/1/square_avg", array([2, 3], 3)],
        ["state/1/momentum_buffer", array([2, 3], 4)],
      ],
    );
    const { state } = pytorch.import(swapped, parameters);
    expect(state.parameters.w!.squareAverage).toEqual(randomValues(6, 3));
    const list = pytorch.import(swapped, [parameters.b, parameters.w]);
    expect(list.state.parameters[1]!.squareAverage).toEqual(randomValues(6, 3));
  });

  it("has no state for a parameter without a step, and starts it anew", () => {
    const names = ["step", "square_avg", "momentum_buffer"].map((key) => [`state/1/${key}`, undefined]);
    const { state, ...rest } = pytorch.import(edited(torch, Object.fromEntries(names)), parameters);
    expect(state.parameters.b).toEqual({
      iterations: 0,
      squareAverage: new Float32Array(2),
      momentumBuffer: new Float32Array(2),
    });
    const { tensors } = pytorch.export({ parameters, optimizer: holding({ state, ...rest }) });
    expect([...tensors.keys()]).toEqual(["state/0/step", "state/0/square_avg", "state/0/momentum_buffer"]);
  });

  it("takes the buffer of SGD, which counts no steps, and goes on", () => {
    const group = { lr: 0.1, momentum: 0.9, dampening: 0.5, nesterov: false, params: [0, 1] };
    const file = torchFile("SGD", [group], [["state/0/momentum_buffer", array([2, 3], 1)]]);
    const imported = pytorch.import(file, parameters);
    const optimizer = new SGD(core, parameters, imported.groups[0]!.options);
    optimizer.load(imported.state);
    expect(optimizer.state().parameters.w!.iterations).toBe(1);
    expect(Object.is(optimizer.state().parameters.b!.momentumBuffer![0], -0)).toBe(true);
    const described = { state: () => optimizer.state(), load() {}, description: () => imported };
    expect([...pytorch.export({ parameters, optimizer: described }).tensors]).toEqual([...file.tensors]);
  });

  it("has a buffer of SGD for those parameters that made a step with momentum", () => {
    const optimizer = new SGD(core, parameters, { learningRate: 0.1 });
    const gradients = { w: new Float32Array(6).fill(1), b: new Float32Array(2).fill(1) };
    optimizer.step(gradients);
    optimizer.setOptions({ momentum: 0.9, dampening: 0.5 });
    optimizer.step({ w: gradients.w });
    const exported = pytorch.export({ parameters, optimizer });
    expect([...exported.tensors.keys()]).toEqual(["state/0/momentum_buffer"]);

    // Another one goes on from it as this one does: b's buffer is its first gradient, without dampening.
    const { groups: saved, state } = pytorch.import(exported, parameters);
    const resumed = new SGD(core, parameters, saved[0]!.options);
    resumed.load(state);
    for (const each of [optimizer, resumed]) each.step(gradients);
    for (const name of ["w", "b"]) {
      const [own, theirs] = [optimizer, resumed].map((each) => each.state().parameters[name]!.momentumBuffer);
      expect(theirs).toEqual(own);
    }
    expect(resumed.state().parameters.b!.momentumBuffer).toEqual(gradients.b);

    // PyTorch keeps the buffers of an option that is off.
    optimizer.setOptions({ momentum: 0, dampening: 0 });
    expect([...pytorch.export({ parameters, optimizer }).tensors.keys()]).toEqual([
      "state/0/momentum_buffer",
      "state/1/momentum_buffer",
    ]);
  });

  it("has Adam, AdamW and Adagrad", () => {
    const adam = (amsgrad: boolean): [string, StoredTensor][] => [
      ["state/0/step", number(1)],
      ["state/0/exp_avg", array([2], 1)],
      ["state/0/exp_avg_sq", array([2], 2)],
      ...(amsgrad ? [["state/0/max_exp_avg_sq", array([2], 3)] satisfies [string, StoredTensor]] : []),
    ];
    const common = {
      lr: 0.1,
      weight_decay: 0,
      maximize: false,
      foreach: null,
      differentiable: false,
      fused: null,
      params: [0],
    };
    const adamGroup = { ...common, betas: [0.8, 0.9], eps: 1e-8, capturable: false };
    const files: [string, Safetensors][] = [
      ["Adam", torchFile("Adam", [{ ...adamGroup, amsgrad: true, decoupled_weight_decay: false }], adam(true))],
      ["AdamW", torchFile("AdamW", [{ ...adamGroup, amsgrad: false, decoupled_weight_decay: true }], adam(false))],
      [
        "AdaGrad",
        torchFile(
          "Adagrad",
          [{ ...common, lr_decay: 0.1, eps: 1e-10, initial_accumulator_value: 0.5 }],
          [
            ["state/0/step", number(0)],
            ["state/0/sum", array([2], 1)],
          ],
        ),
      ],
    ];
    for (const [name, file] of files) {
      const imported = pytorch.import(file, parameters.b);
      expect(imported.optimizer).toBe(name);
      if (name !== "AdaGrad") expect(imported.groups[0]!.options.decoupledWeightDecay).toBe(name === "AdamW");
      if (name === "Adam") expect(imported.groups[0]!.options).toMatchObject({ beta1: 0.8, beta2: 0.9, amsgrad: true });
      if (name === "AdaGrad") expect(imported.groups[0]!.options.initialScale).toBe(0.5);
      const exported = pytorch.export({ parameters: parameters.b, optimizer: holding(imported) });
      expect([...exported.tensors]).toEqual([...file.tensors]);
      expect(JSON.parse(exported.metadata.param_groups!)).toEqual(JSON.parse(file.metadata.param_groups!));
    }
  });
});

describe("keras3", () => {
  it("takes any name of the optimizer, a schedule, and options by their words", () => {
    const {
      state,
      groups: [group],
    } = keras3.import(keras, parameters);
    expect(group!.options).toEqual({
      learningRate: 0.5,
      decay: 0.8,
      momentum: 0.9,
      weightDecay: 0.01,
    });
    expect(state.iterations).toBe(3);
    expect(state.parameters.b).toEqual({
      iterations: 3,
      squareAverage: randomValues(2, 2),
      momentumBuffer: randomValues(2, 4),
    });
  });

  it("names variables by their paths, and keeps averages", () => {
    const nested = { "dense/kernel": parameters.w };
    const file: Safetensors = {
      tensors: new Map([
        ["rm_sprop/iteration", { shape: [], data: BigInt64Array.of(3n) }],
        ["rm_sprop/learning_rate", number(0.5)],
        ["rm_sprop/dense_kernel_average", array([2, 3], 1)],
        ["rm_sprop/dense_kernel_velocity", array([2, 3], 2)],
      ]),
      metadata: config({ name: "rm_sprop", learning_rate: 0.5, use_ema: true, ema_momentum: 0.9, momentum: 0 }),
    };
    const imported = keras3.import(file, nested);
    expect(imported.groups[0]!.options.emaDecay).toBe(0.9);
    const exported = keras3.export({ parameters: nested, optimizer: holding(imported) });
    expect([...exported.tensors]).toEqual([...file.tensors]);
    expect(JSON.parse(exported.metadata.config!)).toMatchObject(JSON.parse(file.metadata.config!));
  });
});

it("keras3 refuses two parameters of one name in Keras", () => {
  const both = { "a/b": new Float32Array(1), a_b: new Float32Array(1) };
  const optimizer = new RMSProp(core, both, { dialect: "keras3" });
  const write = () => keras3.export({ parameters: both, optimizer });
  expect(write).toThrow(OptionError);
  expect(write).toThrow('parameters.a_b and another one would both be "rm_sprop/a_b_velocity"');
});

it.each<[string, Layout, RMSPropOptions, RegExp]>([
  [
    "a bias correction",
    optax,
    { dialect: "optax", biasCorrection: true },
    /parameters\.w has made 1 of 2 steps, but Optax/,
  ],
  ["an average", keras3, { dialect: "keras3", emaDecay: 0.9 }, /parameters\.never has made 0 of 2 steps, but Keras/],
])("counts of steps that differ are refused where they matter: %s", (_, layout, options, text) => {
  const [w, b, never] = [new Float32Array(1), new Float32Array(1), new Float32Array(1)];
  const some = { w, b, ...(options.emaDecay && { never }) };
  const source = { parameters: some, optimizer: new RMSProp(core, some, options) };
  source.optimizer.step({ w, b });
  source.optimizer.step({ b });
  expect(() => layout.export(source)).toThrow(OptionError);
  expect(() => layout.export(source)).toThrow(text);
  const plain = { parameters: some, optimizer: new RMSProp(core, some, { dialect: options.dialect! }) };
  plain.optimizer.step({ w });
  expect(layout.export(plain).tensors.size).toBeGreaterThan(1);
});

it("pytorch takes more parameters than a call has arguments", () => {
  const many = Array.from({ length: 150_000 }, () => parameters.b);
  const step = many.map((_, place): [string, StoredTensor] => [`state/${place}/step`, number(place)]);
  const group = { lr: 0.1, lr_decay: 0, eps: 1e-10, params: many.map((_, place) => place) };
  const sum = array([2], 1);
  const sums = many.map((_, place): [string, StoredTensor] => [`state/${place}/sum`, sum]);
  expect(pytorch.import(torchFile("Adagrad", [group], [...step, ...sums]), many).state.iterations).toBe(149_999);
});

describe("optax", () => {
  it("takes the place of eps, and the count of a schedule", () => {
    const imported = optax.import(optaxFile, parameters);
    const options = { learningRate: 0.01, epsPlacement: "outside", biasCorrection: true };
    expect(imported.groups[0]!.options).toEqual(options);
    expect(imported.state.iterations).toBe(4);
    expect(JSON.parse(optax.export({ parameters, optimizer: holding(imported) }).metadata.config!)).toMatchObject({
      eps_in_sqrt: false,
      bias_correction: true,
      momentum: null,
    });
    const scheduled = edited(optaxFile, { "1/count": number(9), "0/count": undefined }, config({}));
    expect(optax.import(scheduled, parameters).state.iterations).toBe(9);
  });

  const scalar = (value: number): StoredTensor => ({ shape: [], data: Float32Array.of(value) });
  /** The entries of `optaxFile` below a path. */
  const below = (path: string, others: Record<string, StoredTensor>): Safetensors => {
    const inner = Array.from(optaxFile.tensors, ([name, tensor]) => [path + name, tensor] as const);
    return { ...optaxFile, tensors: new Map([...inner, ...Object.entries(others)]) };
  };
  const injected = {
    "1/count": number(7),
    "1/hyperparams/learning_rate": scalar(0.5),
    "1/hyperparams/decay": scalar(0.9),
  };

  it("takes injected hyper-parameters as they are, but for a rate that follows a schedule", () => {
    const { groups: read, state } = optax.import(below("1/inner_state/", injected), parameters);
    expect(read[0]!.options).toMatchObject({ learningRate: 0.5, decay: Math.fround(0.9), epsPlacement: "outside" });
    expect([state.iterations, state.parameters.w!.iterations]).toEqual([7, 7]);
    const { metadata, ...bare } = below("1/inner_state/", {
      ...injected,
      "1/hyperparams_states/learning_rate/count": number(7),
    });
    const scheduled = optax.import({ ...bare, metadata: {} }, parameters);
    expect(scheduled.groups[0]!.options).toEqual({ decay: Math.fround(0.9), biasCorrection: true, centered: false });
    expect(metadata.config).toBeDefined();
  });

  it("has MultiSteps in and after an accumulation", () => {
    const params = { w: randomValues(2, 1), b: randomValues(1, 2) };
    const make = () => new RMSProp(core, params, { dialect: "optax", learningRate: 0.1, accumulationSteps: 2 });
    const optimizer = make();
    for (const step of [0, 1, 2, 3, 4]) {
      const exported = optax.export({ parameters: params, optimizer });
      expect([exported.tensors.get("mini_step")!.data[0], exported.tensors.get("gradient_step")!.data[0]]).toEqual([
        step % 2,
        Math.floor(step / 2),
      ]);
      const { state, ...imported } = optax.import(exported, params);
      expect(imported).toMatchObject({ accumulationSteps: 2, accumulation: "running" });
      const sums = Object.values(state.parameters).map(({ gradientSum }) => gradientSum);
      expect(sums).toEqual(step % 2 === 0 ? [undefined, undefined] : [randomValues(2, step), new Float32Array(1)]);
      const other = make();
      other.load(state);
      expect(optax.export({ parameters: params, optimizer: other })).toEqual(exported);
      optimizer.step({ w: randomValues(2, step + 1), b: null });
    }
    optimizer.discardGradients();
    optimizer.setOptions({ accumulation: "sum" });
    expect(() => optax.export({ parameters: params, optimizer })).toThrow(
      'optimizer has accumulation "sum", but MultiSteps of Optax has "running"',
    );
  });

  it.each<[string, Record<string, StoredTensor>, RegExp]>([
    ["another hyper-parameter", { "1/hyperparams/other": scalar(1) }, /"1\/hyperparams\/other" is unknown/],
    ["a part of the chain with a state", { "0/trace/w": array([2, 3], 1) }, /"0\/trace\/w" is unknown/],
    [
      "a schedule of the decay",
      { "1/hyperparams_states/decay/count": number(1) },
      /"1\/hyperparams_states\/decay\/count" is of a schedule, which only the learning rate may have/,
    ],
  ])("refuses %s", (_, entries, text) => {
    const file = below("1/inner_state/", { ...injected, ...entries });
    expect(() => optax.import(file, parameters)).toThrow(CheckpointError);
    expect(() => optax.import(file, parameters)).toThrow(text);
  });

  it("refuses a MultiSteps that lacks something", () => {
    const counts = { mini_step: number(1), gradient_step: number(3) };
    const sums = { "acc_grads/w": array([2, 3], 1) };
    const read = (others: Record<string, StoredTensor>, metadata = {}) =>
      optax.import(edited(below("inner_opt_state/", others), {}, metadata), parameters);
    expect(() => read({ ...counts, ...sums })).toThrow('"acc_grads/b" is missing');
    expect(() => read({ mini_step: number(0) })).toThrow('"gradient_step" is missing');
    expect(() => read(counts, config({ every_k_schedule: 1.5 }))).toThrow("config.every_k_schedule is 1.5, expected");
    const hostile = config({ every_k_schedule: { toString: 1, valueOf: 1 } });
    expect(() => read(counts, hostile)).toThrow("config.every_k_schedule is Object, expected");
    const more = { ...sums, "acc_grads/b": array([2], 1), "acc_grads/c": array([2], 1) };
    expect(() => read({ ...counts, ...more })).toThrow('"acc_grads/c" is unknown');
    const both = Object.entries(counts).flatMap(([name, value]) => [
      [name, value],
      [`inner_opt_state/${name}`, value],
    ]);
    const twice = below("inner_opt_state/inner_opt_state/", Object.fromEntries(both));
    expect(() => optax.import(edited(twice, {}), parameters)).toThrow(
      '"inner_opt_state/mini_step" is of a second MultiSteps',
    );
  });

  it("has a trace with momentum 0, and none without momentum", () => {
    const trace = { "2/trace/w": array([2, 3], 5), "2/trace/b": array([2], 6) };
    const none = { ...trace, "0/count": undefined };
    const imported = optax.import(edited(optaxFile, none, config({ learning_rate: 0.1, momentum: 0 })), parameters);
    expect(imported.state.parameters.w!.momentumBuffer).toEqual(randomValues(6, 5));
    const refused = () => optax.import(edited(optaxFile, none, config({ learning_rate: 0.1 })), parameters);
    expect(refused).toThrow(/"2\/trace\/w" is unknown/);
  });
});

describe("tfjs", () => {
  it("has a momentum slot without momentum, and its own order", () => {
    const imported = tfjs.import(tf, parameters);
    const arrays = { squareAverage: randomValues(6, 1), momentumBuffer: randomValues(6, 3) };
    expect(imported.state.parameters.w).toEqual({ iterations: 5, ...arrays });
    const { tensors } = tfjs.export({ parameters, optimizer: holding(imported) });
    expect([...tensors]).toEqual([...tf.tensors]);
  });
});

describe("a file that does not fit is refused by", () => {
  const wrong = array([3, 2], 1);
  const count = (value: number): StoredTensor => ({ shape: [], data: Float64Array.of(value) });
  it.each<[string, Layout, Safetensors, RegExp]>([
    [
      "pytorch: an unknown class",
      pytorch,
      edited(torch, {}, { optimizer: "Rprop" }),
      /metadata\.optimizer is "Rprop", expected one of RMSprop, Adam/,
    ],
    ["pytorch: no class", pytorch, { tensors: torch.tensors, metadata: {} }, /metadata\.optimizer is undefined/],
    [
      "pytorch: no groups",
      pytorch,
      { tensors: torch.tensors, metadata: { optimizer: "RMSprop" } },
      /param_groups is undefined, expected JSON/,
    ],
    ["pytorch: groups that are no JSON", pytorch, edited(torch, {}, { param_groups: "[" }), /param_groups is no JSON/],
    ["pytorch: a group that is none", pytorch, edited(torch, {}, groups([])), /param_groups\[0\] is Array\(0\)/],
    ["pytorch: no params", pytorch, edited(torch, {}, groups({})), /param_groups\[0\]\.params is undefined/],
    [
      "pytorch: params out of place",
      pytorch,
      edited(torch, {}, groups({ ...RMSPROP_GROUP, params: [1, 0] })),
      /params\[0\] is 1, expected 0/,
    ],
    [
      "pytorch: too few parameters",
      pytorch,
      edited(torch, {}, groups({ ...RMSPROP_GROUP, params: [0] })),
      /has 1 parameters, expected 2/,
    ],
    [
      "pytorch: too many parameters",
      pytorch,
      edited(torch, {}, groups({ ...RMSPROP_GROUP, params: [0, 1, 2] })),
      /params\[2\] is named undefined, expected one of w, b/,
    ],
    [
      "pytorch: an unknown name",
      pytorch,
      edited(torch, {}, groups({ ...RMSPROP_GROUP, params: [0, 1], param_names: ["w", "c"] })),
      /params\[1\] is named "c"/,
    ],
    [
      "pytorch: a name twice",
      pytorch,
      edited(torch, {}, groups({ ...RMSPROP_GROUP, params: [0, 1], param_names: ["w", "w"] })),
      /params\[1\] is named "w"/,
    ],
    [
      "pytorch: an unknown option",
      pytorch,
      edited(torch, {}, groups({ ...RMSPROP_GROUP, params: [0, 1], nesterov: true })),
      /param_groups\[0\]\.nesterov is true/,
    ],
    [
      "pytorch: an option of another type",
      pytorch,
      edited(torch, {}, groups({ ...RMSPROP_GROUP, params: [0, 1], lr: "1" })),
      /param_groups\[0\]\.lr is "1", expected a number/,
    ],
    [
      "pytorch: betas that are no list",
      pytorch,
      torchFile("Adam", [{ betas: 0.9, params: [0, 1] }], []),
      /betas is 0\.9, expected a list/,
    ],
    [
      "pytorch: an array missing",
      pytorch,
      edited(torch, { "state/1/square_avg": undefined }),
      /"state\/1\/square_avg" is missing/,
    ],
    [
      "pytorch: an array too many",
      pytorch,
      edited(torch, { "state/1/exp_avg": array([2], 1) }),
      /"state\/1\/exp_avg" is unknown/,
    ],
    [
      "pytorch: a step that is none",
      pytorch,
      edited(torch, { "state/1/step": number(1.5) }),
      /"state\/1\/step" is 1\.5/,
    ],
    [
      "pytorch: another shape",
      pytorch,
      edited(torch, { "state/0/square_avg": wrong }),
      /"state\/0\/square_avg" has shape \[3,2\], expected \[2,3\]/,
    ],
    ["keras3: no iteration", keras3, edited(keras, { "my_optimizer/iteration": undefined }), /iteration" is missing/],
    [
      "keras3: a negative iteration",
      keras3,
      edited(keras, { "my_optimizer/iteration": count(-1) }),
      /iteration" is -1/,
    ],
    [
      "keras3: an iteration of two numbers",
      keras3,
      edited(keras, { "my_optimizer/iteration": array([2], 1) }),
      /expected one number/,
    ],
    [
      "keras3: an array missing",
      keras3,
      edited(keras, { "my_optimizer/b_momentum": undefined }),
      /b_momentum" is missing/,
    ],
    [
      "keras3: an accumulator",
      keras3,
      edited(keras, { "my_optimizer/w_gradient_accumulator": array([2, 3], 1) }),
      /w_gradient_accumulator" is unknown/,
    ],
    [
      "keras3: another optimizer's array",
      keras3,
      edited(keras, { "else/w_momentum": array([2, 3], 1) }),
      /"else\/w_momentum" is unknown/,
    ],
    [
      "keras3: an option without a word",
      keras3,
      edited(keras, {}, config({ loss_scale_factor: 2 })),
      /config\.loss_scale_factor is 2, which/,
    ],
    ["keras3: a config that is none", keras3, edited(keras, {}, { config: "3" }), /metadata\.config is 3/],
    ["optax: no count", optax, edited(optaxFile, { "0/count": undefined }), /"0\/count" is missing/],
    [
      "optax: a count too many",
      optax,
      edited(optaxFile, {}, config({ bias_correction: false })),
      /"0\/count" is unknown/,
    ],
    [
      "optax: another dtype",
      optax,
      edited(optaxFile, { "0/nu/b": { shape: [2], data: new Float64Array(2), dtype: "F64" } }),
      /"0\/nu\/b" is of dtype F64/,
    ],
    ["tfjs: an array missing", tfjs, edited(tf, { "b/rms": undefined }), /"b\/rms" is missing/],
    ["tfjs: an array of another shape", tfjs, edited(tf, { "b/momentum": wrong }), /"b\/momentum" has shape \[3,2\]/],
    ["tfjs: an array too many", tfjs, edited(tf, { "c/rms": array([2], 1) }), /"c\/rms" is unknown/],
  ])("%s", (_, layout, file, text) => {
    expect(() => layout.import(file, parameters)).toThrow(CheckpointError);
    expect(() => layout.import(file, parameters)).toThrow(text);
  });

  it.each([pytorch, keras3, optax, tfjs])("what is no file", (layout) => {
    const { tensors, metadata } = torch;
    const bad: [unknown, RegExp][] = [
      [null, /file is null, expected an object/],
      [{ tensors: {}, metadata }, /file\.tensors is Object, expected a Map/],
      [{ tensors, metadata: null }, /file\.metadata is null, expected an object/],
    ];
    for (const [file, text] of bad) {
      expect(() => layout.import(file as Safetensors, parameters)).toThrow(CheckpointError);
      expect(() => layout.import(file as Safetensors, parameters)).toThrow(text);
    }
  });

  it("no file of those above as it stands", () => {
    for (const [layout, file] of [
      [pytorch, torch],
      [keras3, keras],
      [optax, optaxFile],
      [tfjs, tf],
    ] as const) {
      expect(layout.import(file, parameters).optimizer).toBe("RMSProp");
    }
  });
});

describe("an optimizer that the framework does not have is refused:", () => {
  const imported = tfjs.import(tf, parameters);
  const like = (change: Partial<ImportedOptimizer>) => holding({ ...imported, ...change });
  const optioned = (options: Record<string, number | string | boolean>) =>
    like({ groups: [{ parameters: ["w", "b"], options }] });
  const state = { iterations: 1, parameters: { w: { iterations: 1, momentSum: new Float32Array(6) } } };

  it.each<[string, Layout, object, RegExp]>([
    ["no description", tfjs, { state: () => imported.state, load() {} }, /has no description/],
    ["another class", tfjs, like({ optimizer: "SGD" }), /optimizer is SGD, which TensorFlow\.js does not have/],
    [
      "another class for PyTorch",
      pytorch,
      like({ optimizer: "Lion" }),
      /optimizer is Lion, which PyTorch does not have/,
    ],
    ["another dialect", pytorch, like({}), /dialect "tfjs", expected "pytorch"/],
    ["no dialect", tfjs, like({ dialect: "lanewise" }), /dialect "lanewise", expected "tfjs"/],
    [
      "coupled for decoupled",
      pytorch,
      holding({
        optimizer: "SGD",
        state: imported.state,
        groups: [{ parameters: ["w", "b"], options: { weightDecay: 0.1, decoupledWeightDecay: true } }],
      }),
      /has decoupledWeightDecay, for which/,
    ],
    ["clipping", tfjs, optioned({ clipNorm: 1 }), /has clipNorm, for which/],
    ["groups", tfjs, like({ groups: [...imported.groups, ...imported.groups] }), /has groups/],
    ["state that has no place", tfjs, like({ state: state as never }), /has momentSum of w, for which/],
  ])("%s", (_, layout, optimizer, text) => {
    const source = { parameters, optimizer: optimizer as ReturnType<typeof like> };
    expect(() => layout.export(source)).toThrow(OptionError);
    expect(() => layout.export(source)).toThrow(text);
  });

  it("parameters that are not given", () => {
    const source = { parameters: { w: parameters.w }, optimizer: like({}) };
    expect(() => tfjs.export(source)).toThrow(/parameters\.b is missing/);
  });
});

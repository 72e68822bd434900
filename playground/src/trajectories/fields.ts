import type { Field, Values } from "../ui/values.ts";
import { PRESETS, type Suggestion } from "./surfaces.ts";

export const CUSTOM = "custom";

/** Racers in the order in which they are listed, with what tells them apart. */
export const RACERS = [
  { id: "rmsprop", name: "RMSProp", color: "blue" },
  { id: "adam", name: "Adam", color: "purple" },
  { id: "adagrad", name: "AdaGrad", color: "green" },
  { id: "sgd", name: "SGD", color: "orange" },
] as const;

/** The RMSProps of the frameworks, which race each other. */
export const DIALECTS = [
  ["lanewise", "Lanewise (textbook)"],
  ["pytorch", "PyTorch"],
  ["keras3", "Keras 3"],
  ["keras2", "Keras 2"],
  ["tf-keras-legacy", "tf.keras, legacy"],
  ["tf1", "TensorFlow 1"],
  ["optax", "Optax (JAX)"],
  ["tfjs", "TensorFlow.js"],
  ["mxnet1", "MXNet 1"],
  ["mxnet2", "MXNet 2"],
  ["paddle", "Paddle"],
  ["timm", "timm"],
] as const;
export const DIALECT_RACERS = DIALECTS.map(([id, name], i) => ({ id, name, color: `dialect-${i}` }));

/** Who races: optimizers, or the dialects of RMSProp. */
export const MODE: Field = {
  key: "race",
  label: "Race",
  kind: "select",
  initial: "optimizers",
  choices: [
    ["optimizers", "4 optimizers"],
    ["dialects", "12 dialects of RMSProp"],
  ],
};

export const SURFACE_FIELDS: readonly Field[] = [
  {
    key: "surface",
    label: "Surface",
    kind: "select",
    initial: "valley",
    choices: [...Object.entries(PRESETS).map(([key, { name }]) => [key, name] as const), [CUSTOM, "Your own formula"]],
  },
];

export const FORMULA_FIELDS: readonly Field[] = [
  {
    key: "formula",
    label: "f(x1, x2) =",
    kind: "text",
    initial: "x1^2 / 5 + 2 * sin(x1) * sin(2 * x2) + x2^2 / 2",
    help: "Operators + − * / ^, functions such as sin, exp, sqrt, abs, max.",
  },
  {
    key: "half",
    label: "Show up to",
    kind: "slider",
    min: 1,
    max: 100,
    scale: "log",
    initial: 5,
    help: "Both axes range from minus to plus this value.",
  },
];

/** Where a race starts and how long it is; what its surface suggests. */
export function raceFields({ steps, rates }: Suggestion): { race: readonly Field[]; racers: readonly Field[] } {
  return {
    race: [
      { key: "x1", label: "Start x₁", kind: "number", min: -1e6, max: 1e6 },
      { key: "x2", label: "Start x₂", kind: "number", min: -1e6, max: 1e6 },
      { key: "steps", label: "Steps", kind: "slider", min: 10, max: 500, whole: true, initial: steps },
      {
        key: "schedule",
        label: "Schedule",
        kind: "select",
        initial: "constant",
        choices: [
          ["constant", "constant"],
          ["cosine", "cosine decay to 0"],
          ["exponential", "exponential decay to 1 %"],
          ["steps", "×0.1, twice"],
        ],
      },
    ],
    racers: RACERS.flatMap(({ id, name }): Field[] => [
      { key: id, label: name, kind: "check", initial: true },
      {
        key: `${id}.rate`,
        label: `${name} learning rate`,
        kind: "slider",
        min: 1e-4,
        max: 10,
        scale: "log",
        initial: rates[id],
      },
    ]),
  };
}

/** Options of RMSProp; keys of the form are those of the package, after "rmsprop.". */
export const MAIN_FIELDS: readonly Field[] = [
  {
    key: "dialect",
    label: "Dialect",
    kind: "select",
    initial: "lanewise",
    choices: DIALECTS,
    help: "Options a framework doesn't have are grayed out.",
  },
  {
    key: "decay",
    label: "Decay ρ",
    kind: "slider",
    min: 0,
    max: 0.999,
    scale: "decay",
    initial: 0.9,
    help: "How long squared slopes are remembered: 0.9 is about ten steps.",
  },
  {
    key: "momentum",
    label: "Momentum μ",
    kind: "slider",
    min: 0,
    max: 0.99,
    initial: 0,
    help: "How much of the previous step carries over.",
  },
];

export const MORE_FIELDS: readonly Field[] = [
  { key: "nesterov", label: "Nesterov: look one step ahead", kind: "check", initial: false },
  { key: "centered", label: "Centered: divide by the spread", kind: "check", initial: false },
  { key: "biasCorrection", label: "Bias correction", kind: "check", initial: false },
  { key: "eps", label: "ε", kind: "number", min: 0, max: 1e6, help: "Keeps the divisor above 0." },
  {
    key: "epsPlacement",
    label: "Position of ε",
    kind: "select",
    initial: "default",
    choices: [
      ["default", "the dialect's default"],
      ["inside", "inside: √(v + ε)"],
      ["outside", "outside: √v + ε"],
      ["ratio", "ratio: (v + ε) / √v"],
    ],
  },
  {
    key: "initialScale",
    label: "Initial value of v",
    kind: "number",
    min: 0,
    max: 1e6,
    help: "v: the remembered squares.",
  },
  { key: "meanDecay", label: "Decay of the mean", kind: "number", min: 0, max: 1, help: "Only if centered." },
  { key: "weightDecay", label: "Weight decay", kind: "number", min: 0, max: 1e3, help: "Pulls toward 0." },
  { key: "decoupledWeightDecay", label: "Decoupled weight decay", kind: "check", initial: false },
  {
    key: "clip",
    label: "Gradient clipping",
    kind: "select",
    initial: "none",
    choices: [
      ["none", "not at all"],
      ["clipValue", "each element"],
      ["clipNorm", "its norm"],
      ["globalClipNorm", "the norm over all parameters"],
    ],
  },
  { key: "bound", label: "… at", kind: "number", min: 1e-6, max: 1e6, initial: 1 },
  {
    key: "emaDecay",
    label: "Averaged parameters",
    kind: "number",
    min: 0,
    max: 1,
    help: "Decay of the parameters' moving average, drawn dashed; try 0.9.",
  },
  { key: "accumulationSteps", label: "Gradient accumulation steps", kind: "number", min: 1, max: 100, whole: true },
  {
    key: "onNonFinite",
    label: "Non-finite slope",
    kind: "select",
    initial: "propagate",
    choices: [
      ["propagate", "is applied as is"],
      ["skip", "skips the step"],
      ["throw", "stops the race"],
    ],
  },
  { key: "maximize", label: "Climb instead of descend", kind: "check", initial: false },
];

export const RMSPROP_FIELDS: readonly Field[] = [...MAIN_FIELDS, ...MORE_FIELDS];

/** What to ask Lanewise with whether a dialect knows an option. */
export const SAMPLES: Readonly<Record<string, unknown>> = {
  decay: 0.5,
  momentum: 0.5,
  nesterov: true,
  centered: true,
  biasCorrection: true,
  eps: 1e-3,
  epsPlacement: "inside",
  initialScale: 0.5,
  meanDecay: 0.5,
  weightDecay: 0.1,
  decoupledWeightDecay: true,
  clipValue: 1,
  clipNorm: 1,
  globalClipNorm: 1,
  emaDecay: 0.5,
  maximize: true,
};

/** Options as the package takes them, without those that the dialect lacks. */
export function rmspropOptions(values: Values, lacking: ReadonlyMap<string, string>): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const { key, initial, kind } of RMSPROP_FIELDS) {
    const value = values[key];
    const isSet = kind === "slider" || value !== initial;
    if (isSet && value !== undefined && !lacking.has(key) && key !== "clip" && key !== "bound") options[key] = value;
  }
  const clip = `${values["clip"]}`;
  if (clip !== "none" && !lacking.has(clip)) options[clip] = values["bound"];
  return options;
}

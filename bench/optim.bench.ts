import { U } from "../measure/check.js";
import { STEP } from "../measure/task.js";
import type { Method } from "./contestant.js";
import type { Native } from "./native.js";
import type { PyTorch } from "./pytorch.js";
import type { Job } from "./run.js";

/** Steps before the results are compared. */
const STEPS = 3;
/** More parameters than this are too much for the slow. */
const HEAVY_PARAMETERS = 4e6;

/** Methods of one kind, by the name in the table, and the numbers of parameters that they are measured with. */
export interface StepFamily {
  readonly title: string;
  readonly methods: Readonly<Record<string, Method>>;
  readonly parameters: readonly number[];
}

const PLAIN = {};
const CENTERED = { centered: true };
const MOMENTUM = { momentum: true };
const BOTH = { ...CENTERED, ...MOMENTUM };

/** Each dialect's forms. Left out: those without momentum where there is a buffer all the same, and duplicates of other forms. */
const FORMS: readonly (readonly [rule: Method["rule"], ...forms: Omit<Method, "rule">[]])[] = [
  ["lanewise", PLAIN, MOMENTUM, CENTERED, BOTH], // Keras 3's too
  ["pytorch", PLAIN, MOMENTUM, CENTERED, BOTH],
  ["keras2", PLAIN, MOMENTUM, CENTERED, BOTH],
  ["tf-keras-legacy", PLAIN, MOMENTUM, CENTERED, BOTH],
  ["tf1", MOMENTUM, BOTH],
  ["optax", PLAIN, MOMENTUM, CENTERED, BOTH],
  ["tfjs", BOTH],
  ["mxnet1", PLAIN, BOTH],
  ["mxnet2", PLAIN, BOTH],
  ["paddle", MOMENTUM, BOTH],
  ["timm", PLAIN, MOMENTUM, CENTERED, BOTH],
];

/** What is measured, by family. */
export const STEP_FAMILIES: Readonly<Record<string, StepFamily>> = {
  steps: {
    title: "optimizer steps",
    methods: {
      RMSProp: { rule: "lanewise" },
      "RMSProp, centered, momentum": { rule: "lanewise", ...BOTH },
      Adam: { rule: "adam" },
      SGD: { rule: "sgd" },
      "SGD, momentum": { rule: "sgd", ...MOMENTUM },
    },
    parameters: [1024, 100_000, 2 ** 20, 2 ** 24],
  },
  tensors: {
    title: "a step of PyTorch's RMSProp over parameters in many tensors",
    methods: Object.fromEntries(
      [1, 100, 1000, 10_000].map((tensors) => [
        `${tensors.toLocaleString("en")} ${tensors === 1 ? "tensor" : "tensors"}`,
        { rule: "pytorch", tensors },
      ]),
    ),
    parameters: [2 ** 20],
  },
  dialects: {
    title: "RMSProp's dialects, and its neighbors",
    methods: Object.fromEntries([
      ...FORMS.flatMap(([rule, ...forms]) =>
        forms.map((form) => [[rule, ...Object.keys(form)].join(", "), { rule, ...form }]),
      ),
      ...(["adagrad", "adam", "adamw", "amsgrad"] as const).map((rule) => [rule, { rule }]),
    ]),
    parameters: [2 ** 14, 2 ** 20],
  },
};

/** One step over `count` parameters by everybody, against the same step in C or, of many tensors, in PyTorch. */
export function stepJob(
  name: string,
  method: Method,
  count: number,
  natives: readonly Native[],
  pytorchs: readonly PyTorch[] = [],
): Job {
  const parameters = Float32Array.from({ length: count }, (_, i) => i % 7);
  const gradients = Float32Array.from({ length: count }, (_, i) => (i % 13) - 6.5);
  return {
    name: `${name}, ${count.toLocaleString("en")}`,
    unit: "G parameters/s",
    amount: count,
    heavy: count > HEAVY_PARAMETERS,
    start: (contestant) => contestant.step?.(method, parameters, gradients),
    runsBeforeCheck: STEPS,
    // A step rounds its parameter once on either side; the errors of an update are small beside it, or beside 1.
    bound: (_, result) => result.map((parameter) => 2 * STEPS * U * (Math.abs(parameter) + 1)),
    gauges:
      method.tensors === undefined
        ? natives.map((native) => ({
            name: native.name,
            sample: () => count / native.step(method, count) / 1e6,
            exact: true,
            result: (steps) => native.stepped(method, count, steps),
          }))
        : pytorchs.map((pytorch) => ({
            name: pytorch.name,
            sample: () => pytorch.milliseconds(),
            result: (steps) =>
              pytorch.start({ tensors: method.tensors!, parameters: count, ...STEP }, [parameters, gradients], steps),
          })),
  };
}

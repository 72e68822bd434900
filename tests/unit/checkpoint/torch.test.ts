import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { pytorch, readSafetensors } from "../../../src/checkpoint/index.js";
import * as lanewise from "../../../src/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, makeCore } from "../../helpers/cores.js";

// What PyTorch saved in the middle of a run, with all that schedulers and changed options leave behind, goes on in
// Lanewise with PyTorch's bits. Written by reference/make-torch.py.

interface Run {
  name: string;
  file: string;
  shapes: number[][];
  keys: string[];
  state: string[];
  before: number[][];
  gradients: number[][][];
  after: number[][][];
}
const { cases } = JSON.parse(readFileSync(new URL("reference/torch.json", import.meta.url), "utf8")) as {
  cases: Run[];
};

type Core = ReturnType<typeof makeCore>;
type Optimizer = lanewise.Optimizer;
type Groups = { params: lanewise.Tensor[] }[];
const classes = lanewise as unknown as Record<string, new (core: Core, groups: Groups, options: object) => Optimizer>;

/** What each run is there for: keys of a group, and arrays of a state, that do not say how to step. */
const LEFT = ["max_lr", "min_lr", "base_momentum", "max_momentum", "swa_lr", "initial_lr", "name", "lr_scale"];

describe.each(backends)("on %s", (backend) => {
  it.each(cases.map((run) => [run.name, run] as const))("%s", (_, run) => {
    const core = makeCore(backend);
    const tensors = run.shapes.map((shape, i) => core.tensor(shape, run.before[i]!));
    const imported = pytorch.import(readSafetensors(new Uint8Array(Buffer.from(run.file, "base64"))), tensors);
    const groups = imported.groups.map(({ parameters, options }) => ({
      ...options,
      params: parameters.map((name) => tensors[Number(name)]!),
    }));
    const options = imported.dialect ? { dialect: imported.dialect } : {};
    const optimizer = new classes[imported.optimizer]!(core, groups, options);
    optimizer.load(imported.state);
    run.gradients.forEach((gradients, step) => {
      let place = 0;
      const next = () => core.tensor(run.shapes[place]!, gradients[place++]!);
      optimizer.step(groups.map(({ params }) => params.map(next)));
      tensors.forEach(({ data }, i) => {
        expectSameBits(data, run.after[step]![i]!, `parameter ${i} after step ${step + 1}`);
      });
    });
  });
});

it("the runs have what they are to have", () => {
  const keys = new Set(cases.flatMap((run) => run.keys));
  for (const key of LEFT) expect(keys).toContain(key);
  const left = (name: string) => cases.find((run) => run.name === name)!.state;
  expect(left("RMSprop, both switched off")).toEqual(["grad_avg", "momentum_buffer", "square_avg", "step"]);
  expect(left("SGD, momentum switched off")).toEqual(["momentum_buffer"]);
  expect(left("Adam, amsgrad switched off")).toContain("max_exp_avg_sq");
});

// Steps with the gradients of the step before, which are not looked at again: every change must be noticed all the same.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Adam, DisposedError, OptionError, RMSProp, SGD } from "../../../src/index.js";
import type { Gradients } from "../../../src/optim/parameters.js";
import { Tensor } from "../../../src/tensor.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

const SHAPES = [[3], [2, 5], [9]];
const KINDS = ["single", "list", "record"] as const;
const CLASSES = { Adam, RMSProp, SGD };
const sizeOf = (shape: number[]): number => shape.reduce((a, b) => a * b);

/** Values in one of the structures that parameters and gradients come in. */
function structured<T>(kind: (typeof KINDS)[number], values: T[]): T | T[] | Record<string, T> {
  if (kind === "single") return values[0]!;
  return kind === "list" ? values : Object.fromEntries(values.map((value, i) => [`w${i}`, value]));
}

const place = fc.nat(SHAPES.length - 1);
const seed = fc.nat(1e6);
const action = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ do: "nothing" } as const) },
  fc.record({ do: fc.constantFrom("write", "replace", "move", "dispose"), place, seed }),
  fc.record({ do: fc.constantFrom("freeze", "unfreeze"), place }),
  fc.record({ do: fc.constant("omit"), place }),
  fc.record({ do: fc.constantFrom("rate", "schedule", "own"), seed }),
  fc.record({ do: fc.constantFrom("grow", "drop", "reload", "accumulate", "average", "add") }),
);
const program = fc.record({
  kind: fc.constantFrom(...KINDS),
  name: fc.constantFrom(...(Object.keys(CLASSES) as (keyof typeof CLASSES)[])),
  actions: fc.array(action, { minLength: 1, maxLength: 12 }),
});

describe.each(backends)("a step with the gradients of the last one on %s", (backend) => {
  it("has the bits of one whose gradients are all new, whatever happens in between", () => {
    fc.assert(
      fc.property(program, ({ kind, name, actions }) => {
        const cores = [makeCore(backend), makeCore(backend)] as const;
        const shapes = kind === "single" ? SHAPES.slice(0, 1) : SHAPES;
        const [params, expected] = cores.map((core) =>
          shapes.map((shape, i) => core.tensor(shape, randomValues(sizeOf(shape), i))),
        ) as [Tensor[], Tensor[]];
        const core = cores[0];
        const make = (i: number, from: number): Tensor => {
          const { ptr } = core.reserve(shapes[i]!, randomValues(sizeOf(shapes[i]!), from));
          return Tensor.viewOf(core, shapes[i]!, ptr);
        };
        const tensors = shapes.map((_, i) => make(i, 10 + i));
        const grads = structured<Tensor | null>(kind, [...tensors]);
        const isOmitted = shapes.map(() => false);
        const put = (i: number, value: Tensor | null): void => {
          if (kind === "single") return;
          (grads as Record<string, Tensor | null>)[kind === "list" ? i : `w${i}`] = value;
        };
        const optimizers = [params, expected].map(
          (set, i) => new CLASSES[name](cores[i]!, structured(kind, set), { learningRate: 0.1 }),
        );
        let accumulationSteps = 1;
        for (const act of [...actions, { do: "nothing" } as const]) {
          const i = "place" in act ? act.place % shapes.length : 0;
          const both = (change: (optimizer: (typeof optimizers)[number]) => void): void => optimizers.forEach(change);
          const isLive = tensors[i]!.ptr !== 0;
          if (act.do === "write" && isLive) tensors[i]!.set(randomValues(tensors[i]!.size, act.seed));
          else if (act.do === "replace" && kind !== "single") {
            tensors[i] = make(i, act.seed);
            isOmitted[i] = false;
            put(i, tensors[i]!);
          } else if (act.do === "move" && isLive) tensors[i]!.moveTo(make(i, act.seed).ptr);
          else if (act.do === "dispose" && kind !== "single") {
            tensors[i]!.dispose();
            if (!isOmitted[i]) {
              const { iterations } = optimizers[0]!;
              const isFrozen = optimizers[0]!.description().frozen?.includes(kind === "list" ? `${i}` : `w${i}`);
              if (!isFrozen) expect(() => optimizers[0]!.step(grads as Gradients)).toThrow(DisposedError);
              expect(optimizers[0]!.iterations).toBe(iterations);
            }
            isOmitted[i] = true;
            put(i, null);
          } else if (act.do === "omit") {
            if (kind !== "single") isOmitted[i] = true;
            put(i, null);
          } else if (act.do === "freeze" || act.do === "unfreeze") {
            const key = { single: "0", list: `${i}`, record: `w${i}` }[kind];
            const { do: method } = act;
            both((optimizer) => optimizer[method](key));
          } else if (act.do === "rate") {
            both((optimizer) => {
              optimizer.learningRate = act.seed / 1e6;
            });
          } else if (act.do === "schedule") {
            both((optimizer) => {
              optimizer.learningRate = (iteration) => 0.1 / (1 + iteration);
            });
          } else if (act.do === "own") both((optimizer) => optimizer.setOptions({ weightDecay: act.seed / 1e6 }, 0));
          else if (act.do === "grow") core.reserve([core.memory.bytesReserved / 4]);
          else if (act.do === "drop") core.tensor([1]).dispose();
          else if (act.do === "reload") both((optimizer) => optimizer.load(optimizer.state()));
          else if (act.do === "accumulate") {
            accumulationSteps = 3 - accumulationSteps;
            both((optimizer) => {
              optimizer.flush();
              optimizer.setOptions({ accumulationSteps });
            });
          } else if (act.do === "average") {
            both((optimizer) => {
              optimizer.setOptions({ emaDecay: 0.5 });
              optimizer.withAveraged(() => expect(() => optimizer.step(null)).toThrow(OptionError));
            });
          } else if (act.do === "add" && kind === "record" && optimizers[0]!.parameters.length === shapes.length) {
            for (const [k, optimizer] of optimizers.entries()) optimizer.add({ added: cores[k]!.tensor([2], [1, 2]) });
          }
          for (let repeat = 0; repeat < 3; repeat++) {
            optimizers[0]!.step(grads as Gradients);
            const copies = tensors.map((tensor, k) => (isOmitted[k] ? null : tensor.data.slice()));
            optimizers[1]!.step(structured(kind, copies) as Gradients);
          }
          for (const [k, param] of params.entries()) expectSameBits(param.data, expected[k]!.data, `w${k}`);
          expect(optimizers[0]!.state()).toEqual(optimizers[1]!.state());
        }
        for (const each of cores) each.dispose();
      }),
      { numRuns: 150 },
    );
  });

  it("reads a learning rate that a getter of the gradients has set, in the next step", () => {
    const core = makeCore(backend);
    const w = core.tensor([1]);
    const optimizer = new SGD(core, { w }, { learningRate: 1 });
    const g = core.tensor([1], [1]);
    let rate = 1;
    const grads = {
      get w() {
        if (optimizer.learningRate !== rate) optimizer.learningRate = rate;
        return g;
      },
    };
    optimizer.step(grads);
    optimizer.step(grads);
    rate = 0.5;
    optimizer.step(grads);
    expect(w.toArray()).toEqual([-3]);
    optimizer.step(grads);
    expect(w.toArray()).toEqual([-3.5]);
    core.dispose();
  });

  it("notices what a getter of the gradients does", () => {
    const core = makeCore(backend);
    const w = core.tensor([1], [1]);
    const v = core.tensor([1], [1]);
    const g = core.tensor([1], [1]);
    const made = new SGD(core, { w, v }, { learningRate: 1 });
    let act = (): void => {};
    const grads = {
      w: g,
      get v() {
        act();
        return g;
      },
    };
    const values = () => [...w.data, ...v.data];
    made.step(grads);
    made.step(grads);
    expect(values()).toEqual([-1, -1]);
    act = () => made.freeze("w");
    made.step(grads);
    expect(values()).toEqual([-1, -2]);
    made.unfreeze("w");
    act = () => {};
    made.step(grads);
    made.step(grads);
    expect(values()).toEqual([-3, -4]);
    for (const attack of [
      () => core.tensor([1]).dispose(),
      () => made.setOptions({ momentum: 0.9 }),
      () => made.step({ w: g }),
      () => made.dispose(),
    ]) {
      const { iterations } = made;
      const before = values();
      let isFirst = true;
      act = () => {
        if (isFirst || made.iterations === iterations) {
          isFirst = false;
          attack();
        }
      };
      expect(() => made.step(grads)).toThrow(OptionError);
      act = () => {};
      const inner = made.iterations - iterations; // a step of the getter's own
      expect(values()).toEqual([before[0]! - inner, before[1]]);
    }
    expect(() => made.step(grads)).toThrow(DisposedError);
    const other = new SGD(core, { w, v }, { learningRate: 1 });
    other.step(grads);
    other.step(grads);
    act = () => core.dispose();
    expect(() => other.step(grads)).toThrow(DisposedError);
  });
});

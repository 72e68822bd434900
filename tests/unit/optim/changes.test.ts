// What may change between steps: options, what is frozen, and the parameters themselves.

import { describe, expect, it } from "vitest";
import {
  Adam,
  CheckpointError,
  DisposedError,
  type Gradients,
  type OptionChanges,
  OptionError,
  OutOfMemoryError,
  RMSProp,
  type RMSPropOptions,
  SGD,
  stepDecay,
} from "../../../src/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, expectUnchanged, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

const vector = (...values: number[]) => new Float32Array(values);

describe.each(backends)("on %s", (backend) => {
  const core = makeCore(backend);

  describe("setOptions", () => {
    it.each<[RMSPropOptions, OptionChanges<RMSPropOptions>]>([
      [{}, { decay: 0.5, eps: 1e-3, epsPlacement: "outside", weightDecay: 0.1, maximize: true }],
      [
        { momentum: 0.9, clipNorm: 0.1 },
        { momentum: 0.5, nesterov: true, clipNorm: 0.3 },
      ],
      [{ globalClipNorm: 1 }, { globalClipNorm: undefined, clipValue: 0.5 }],
      [{ learningRate: 1 }, { learningRate: stepDecay(1, 2) }],
      [{}, { onNonFinite: "skip" }],
    ])("%o, then %o: as if it had had the new ones from there on", (before, after) => {
      const params = () => [core.tensor([9], randomValues(9, 1)), randomValues(4, 2)] as const;
      const [a, b] = [params(), params()];
      const changed = new RMSProp(core, a, before);
      const first = new RMSProp(core, b, before);
      const grads = (i: number) => [randomValues(9, 3 + i), randomValues(4, 5 + i)];
      for (const optimizer of [changed, first]) for (let i = 0; i < 3; i++) optimizer.step(grads(i));
      changed.setOptions(after);
      const fresh = new RMSProp(core, b, { ...before, ...after } as RMSPropOptions);
      fresh.load(first.state());
      for (const optimizer of [changed, fresh]) for (let i = 3; i < 6; i++) optimizer.step(grads(i));
      expectSameBits(a[0].data, b[0].data, "tensor");
      expectSameBits(a[1], b[1], "array");
      const { options, ...state } = changed.state();
      expect(options).toBeDefined();
      expect(state).toEqual(fresh.state());
    });

    it("makes state arrays, keeps those of the formula, and drops the average and the sums", () => {
      const x = core.tensor([40]);
      const optimizer = new RMSProp(core, x, { initialScale: 0.5 });
      optimizer.step(new Float32Array(40).fill(1));
      const { squareAverage } = optimizer.state().parameters["0"]!;
      const inUse = core.memory.bytesInUse;
      optimizer.setOptions({ momentum: 0.9, centered: true, emaDecay: 0.5, accumulationSteps: 2 });
      expect(optimizer.state().parameters["0"]).toEqual({
        iterations: 1,
        squareAverage,
        gradientAverage: new Float32Array(40),
        momentumBuffer: new Float32Array(40),
        parameterAverage: x.data.slice(), // it begins late, as a copy
      });
      expect(core.memory.bytesInUse).toBe(inUse + 4 * 192);
      optimizer.setOptions({ momentum: 0, centered: undefined, emaDecay: undefined, accumulationSteps: 1 });
      expect(optimizer.state().parameters["0"]).toEqual({
        iterations: 1,
        squareAverage,
        gradientAverage: new Float32Array(40),
        momentumBuffer: new Float32Array(40),
      });
      expect(core.memory.bytesInUse).toBe(inUse + 2 * 192);
    });

    it("keeps them in a state, whose loading drops those that it does not have", () => {
      const x = vector(1, 2);
      const optimizer = new RMSProp(core, x, { momentum: 0.9 });
      const plain = new RMSProp(core, vector(1, 2)).state();
      optimizer.step(vector(1, 1));
      const { momentumBuffer } = optimizer.state().parameters["0"]!;
      optimizer.setOptions({ momentum: 0 });
      const saved = optimizer.state();
      optimizer.step(vector(1, 1));
      expect(optimizer.state().parameters["0"]!.momentumBuffer).toEqual(momentumBuffer);

      const other = new RMSProp(core, vector(1, 2));
      other.load(saved);
      expect(other.state()).toEqual(saved);
      expect(() => other.load({ ...saved, parameters: { 0: { ...saved.parameters["0"]!, squareSum: x } } })).toThrow(
        /squareSum is unknown/,
      );
      expect(() =>
        other.load({ ...saved, parameters: { 0: { ...saved.parameters["0"]!, momentumBuffer: vector(1) } } }),
      ).toThrow(/momentumBuffer is Float32Array\(1\), expected Float32Array\(2\)/);
      expect(other.state()).toEqual(saved);
      other.load(plain);
      other.setOptions({ momentum: 0.9 });
      expect(other.state().parameters["0"]!.momentumBuffer).toEqual(vector(0, 0));
    });

    it("is for all groups, in place of their own options, or for one", () => {
      const [a, b] = [vector(0), vector(0)];
      const optimizer = new SGD(core, [{ params: a }, { params: b, learningRate: 2 }], { learningRate: 1 });
      const step = () => {
        a.fill(0);
        b.fill(0);
        optimizer.step([vector(-1), vector(-1)]);
        return [a[0], b[0]];
      };
      expect(step()).toEqual([1, 2]);
      optimizer.setOptions({ learningRate: 4 }, 0);
      expect(step()).toEqual([4, 2]);
      optimizer.setOptions({ learningRate: undefined }, 0);
      expect(step()).toEqual([1, 2]);
      optimizer.setOptions({ learningRate: 8 });
      expect(step()).toEqual([8, 8]);
      expect(optimizer.learningRate).toBe(8);
      optimizer.setOptions({ maximize: true }, 1);
      expect(step()).toEqual([8, -8]);
      optimizer.setOptions({ learningRate: undefined, maximize: undefined });
      expect(step()).toEqual([Math.fround(1e-3), Math.fround(1e-3)]);
    });

    it.each<[unknown, number | undefined, RegExp]>([
      [{ rho: 1 }, undefined, /options.rho is not an option/],
      [5, undefined, /options is 5/],
      [{ decay: 2 }, undefined, /^decay is 2/],
      [{ decay: 2 }, 1, /^params\[1\].decay is 2/],
      [{ clipNorm: 1 }, undefined, /clipNorm are both given|clipNorm and clipValue/],
      [{ momentum: 0 }, undefined, /nesterov needs/],
      [{ learningRate: -1 }, undefined, /^learningRate is -1/],
      [{ learningRate: -1 }, 0, /^params\[0\].learningRate is -1/],
      [{ initialScale: 1 }, undefined, /options.initialScale is fixed/],
      [{ initialScale: 1 }, 0, /options.initialScale is fixed/],
      [{ decay: 0.5 }, 2, /^group is 2, expected an integer from 0 to 1/],
      [{ decay: 0.5 }, -1, /^group is -1/],
      [{ onNonFinite: "skip" }, 1, /options.onNonFinite is not an option/],
      [{ onNonFinite: "never" }, undefined, /^onNonFinite is "never"/],
      [{ accumulationSteps: 3, decay: 0.5 }, undefined, /accumulationSteps cannot change while 1 of 2 gradients/],
      [{ emaDecay: 2 }, undefined, /^emaDecay is 2/],
    ])("refuses %o for group %s, and changes nothing", (options, group, message) => {
      const params = [{ params: core.tensor([3], [1, 2, 3]) }, { params: core.tensor([1]), decay: 0.7 }];
      const optimizer = new RMSProp(core, params, {
        momentum: 0.9,
        nesterov: true,
        clipValue: 1,
        accumulationSteps: 2,
      });
      optimizer.step([vector(1, 2, 3)]);
      const [before, state] = [optimizer.description(), optimizer.state()];
      expectUnchanged(core, () => optimizer.setOptions(options as object, group), OptionError, message);
      expect([optimizer.description(), optimizer.state()]).toEqual([before, state]);
    });

    it("notes in SGD's state that a buffer is still to begin, from the change to the next step", () => {
      const [w, fresh] = [core.tensor([1], [1]), vector(1)];
      const optimizer = new SGD(core, w);
      const begins = () => "momentumBegins" in optimizer.state().parameters["0"]!;
      const seen = [begins()];
      optimizer.step(vector(1));
      optimizer.setOptions({ momentum: 0.9, dampening: 0.5 });
      seen.push(begins());
      const state = optimizer.state();
      optimizer.step(null);
      seen.push(begins());
      optimizer.step(vector(1));
      seen.push(begins());
      expect(seen).toEqual([false, true, true, false]);
      expect("momentumBegins" in new SGD(core, fresh, { momentum: 0.9 }).state().parameters["0"]!).toBe(false);
      for (const wrong of [false, 1, null]) {
        const damaged = { ...state, parameters: { 0: { ...state.parameters["0"]!, momentumBegins: wrong } } };
        expect(() => optimizer.load(damaged as never)).toThrow(
          `state.parameters.0.momentumBegins is ${wrong}, expected true`,
        );
      }
    });

    it("loads a state in which only some parameters have the array of an option that is off", () => {
      const make = (grads: Record<string, Float32Array>) => {
        const params = { a: core.tensor([1], [1]), b: core.tensor([1], [2]) };
        const optimizer = new SGD(core, params, { momentum: 0.9, learningRate: 1 });
        optimizer.step(grads);
        optimizer.setOptions({ momentum: 0 });
        return { params, optimizer };
      };
      const saved = make({ a: vector(3) });
      const other = make({ a: vector(5), b: vector(7) });
      other.optimizer.load(saved.optimizer.state());
      const results = [saved, other].map(({ params, optimizer }) => {
        params.a.set([1]);
        params.b.set([2]);
        optimizer.setOptions({ momentum: 0.9 });
        optimizer.step({ a: vector(1), b: vector(-0) });
        return [...params.a.data, ...params.b.data, ...optimizer.state().parameters["b"]!.momentumBuffer!];
      });
      expect(results[1]).toEqual(results[0]);
      expect(results[0]).toEqual([Math.fround(1 - Math.fround(Math.fround(0.9) * 3 + 1)), 2, -0]); // b begins with g
    });

    it("loads no array that neither options in the state nor its own need, and is what it was after a refusal", () => {
      const make = () => {
        const w = core.tensor([2], [1, 2]);
        const optimizer = new RMSProp(core, { w }, { momentum: 0.9, centered: true });
        optimizer.step({ w: vector(1, -1) });
        return { w, optimizer };
      };
      const [kept, tried] = [make(), make()];
      const other = new RMSProp(core, { w: vector(1, 2) }, { momentum: 0.9 });
      const foreign = other.state();
      other.setOptions({ momentum: 0, decay: 0.5 });
      const changed = other.state();
      const { w } = changed.parameters;
      for (const damaged of [
        { ...changed, parameters: { w: { ...w, squareAverage: vector(1) } } },
        { ...changed, parameters: { w: { ...w, gradientAverage: vector(1, 2, 3) } } },
        { ...changed, parameters: {} },
      ]) {
        expect(() => tried.optimizer.load(damaged as never)).toThrow(CheckpointError);
        expect(tried.optimizer.state()).toEqual(kept.optimizer.state());
        expect(tried.optimizer.description()).toEqual(kept.optimizer.description());
      }
      for (const { optimizer } of [kept, tried]) {
        optimizer.setOptions({ emaDecay: 0.5 });
        optimizer.step({ w: vector(2, 3) });
      }
      expect(tried.optimizer.state()).toEqual(kept.optimizer.state());
      expect([...tried.w.data]).toEqual([...kept.w.data]);

      const [adam, twin] = [vector(1, 2), vector(1, 2)].map((values) => ({
        values,
        optimizer: new Adam(core, values),
      }));
      const faster = new Adam(core, vector(1, 2));
      faster.setOptions({ beta1: 0.5, beta2: 0.5 });
      expect(() => adam!.optimizer.load({ ...faster.state(), parameters: {} })).toThrow(CheckpointError);
      for (const { optimizer } of [adam!, twin!]) optimizer.step(vector(3, -4)); // corrects the bias of its own beta
      expect([...adam!.values]).toEqual([...twin!.values]);

      // Without options in it a state is of the constructor's, which here needs no momentum.
      const plain = new RMSProp(core, { w: vector(1, 2) });
      plain.setOptions({ decay: 0.5 });
      expect(() => plain.load(foreign)).toThrow("state.parameters.w.momentumBuffer is unknown to this optimizer");
    });

    it("changes nothing when memory runs out", () => {
      const small = makeCore(backend, { memory: { initialBytes: 65536, maximumBytes: 131072 } });
      const x = small.tensor([9000]);
      const optimizer = new RMSProp(small, x);
      const { bytesInUse } = small.memory;
      const before = optimizer.description();
      const change = () => optimizer.setOptions({ momentum: 0.9, centered: true, learningRate: 1 });
      expect(change).toThrow(OutOfMemoryError);
      expect(small.memory.bytesInUse).toBe(bytesInUse);
      expect(optimizer.description()).toEqual(before);
      optimizer.setOptions({ decay: 0.5 });
      optimizer.step(null);
    });
  });

  it("description: plain data that makes the same optimizer again", () => {
    const params = () => [{ params: { a: vector(1), b: vector(2) }, weightDecay: 0.1 }, { params: vector(3) }];
    const options = { momentum: 0.9, clipNorm: Number.POSITIVE_INFINITY, learningRate: stepDecay(4, 1, 0.5) };
    const optimizer = new RMSProp(core, params() as never, { ...options, onNonFinite: "skip" });
    const grads = [{ a: vector(1), b: vector(1) }, vector(1)];
    optimizer.step(grads);
    optimizer.setOptions({ learningRate: 3, centered: true }, 1);
    const description = optimizer.description();
    expect(JSON.parse(JSON.stringify(description))).toEqual({
      optimizer: "RMSProp",
      dialect: "lanewise",
      groups: [
        { parameters: ["a", "b"], options: { momentum: 0.9, weightDecay: 0.1, learningRate: 2 } },
        { parameters: ["2"], options: { momentum: 0.9, centered: true, learningRate: 3 } },
      ],
      onNonFinite: "skip",
    });
    expect(new SGD(core, vector(1)).description()).toEqual({
      optimizer: "SGD",
      groups: [{ parameters: ["0"], options: { learningRate: 1e-3 } }],
    });
    const again = new RMSProp(
      core,
      params().map(({ params }, i) => ({ params, ...description.groups[i]!.options })) as never,
    );
    expect(() => again.load(optimizer.state())).toThrow("state.options.learningRate is of a schedule, which is code");
    again.learningRate = options.learningRate;
    for (const none of [undefined, null, 3]) {
      expect(() => again.load(none as never)).toThrow(/^state is (undefined|null|3), expected an object$/);
    }
    again.load(optimizer.state());
    expect(again.state()).toEqual(optimizer.state());
    expect(again.description()).toEqual(description);
  });

  describe("freeze and unfreeze", () => {
    it("the value and the state stay, whatever gradients are given", () => {
      const [a, b] = [vector(1, 2), core.tensor([2], [1, 2])];
      const optimizer = new RMSProp(core, { a, b }, { emaDecay: 0.5, momentum: 0.5 });
      const grads = { a: vector(1, 1), b: vector(1, 1) };
      optimizer.step(grads);
      const [before, values] = [optimizer.state().parameters, [a.slice(), b.data.slice()]];
      optimizer.freeze("a");
      for (const frozen of [grads, { b: grads.b }, { ...grads, a: vector(Number.NaN) }]) {
        optimizer.step(frozen as Gradients);
      }
      expect(optimizer.state().parameters.a).toEqual(before.a);
      expectSameBits(a, values[0]!, "a");
      expect(b.data).not.toEqual(values[1]);
      expect(optimizer.state().parameters.b!.iterations).toBe(4);
      optimizer.unfreeze("a");
      optimizer.step(grads);
      expect(optimizer.state().parameters.a!.iterations).toBe(2);
      expect(a).not.toEqual(values[0]);
    });

    it("it does not count in norms, nor as not finite", () => {
      const [a, b] = [vector(0), vector(0)];
      const optimizer = new SGD(core, [a, b], { globalClipNorm: 1, learningRate: 1, onNonFinite: "throw" });
      optimizer.freeze("0");
      optimizer.step([vector(-3), vector(-4)]);
      expect([a[0], b[0]]).toEqual([0, 1]);
      optimizer.step([vector(Number.NaN), vector(-4)]);
      expect(b[0]).toBe(2);
      optimizer.unfreeze("0");
      optimizer.step([vector(-3), vector(-4)]);
      expect(a[0]).toBe(Math.fround(3 * Math.fround(0.2)));
    });

    it("names that there are not", () => {
      const optimizer = new SGD(core, { a: vector(1), b: vector(1) });
      for (const change of ["freeze", "unfreeze"] as const) {
        expect(() => optimizer[change]("c")).toThrow(OptionError);
        expect(() => optimizer[change]("c")).toThrow('name is "c", expected one of "a", "b"');
      }
      optimizer.dispose();
      expect(() => optimizer.freeze("a")).toThrow(DisposedError);
    });
  });

  describe("add", () => {
    it("a record joins a record, with options of its own", () => {
      const [a, b, c] = [vector(0), core.tensor([1]), vector(0)];
      const optimizer = new SGD(core, { a }, { learningRate: 1, momentum: 0.5 });
      optimizer.step({ a: vector(-1) });
      const before = optimizer.state().parameters.a;
      optimizer.add({ b });
      optimizer.add({ c }, { learningRate: 2, maximize: true });
      expect(optimizer.state().parameters.a).toEqual(before);
      optimizer.step({ a: vector(-1), b: vector(-1), c: vector(-1) });
      expect([a[0], b.data[0], c[0]]).toEqual([2.5, 1, -2]);
      expect(optimizer.averaged()).toEqual({ a: vector(2.5), b: vector(1), c: vector(-2) });
      expect(optimizer.description().groups.map(({ parameters }) => parameters)).toEqual([["a"], ["b"], ["c"]]);
      optimizer.setOptions({ learningRate: 4 }, 2);
      optimizer.step({ c: vector(-1) }); // b ← 0.5·1 + 1
      expect(c[0]).toBe(-2 - 4 * 1.5);
    });

    it.each<[string, () => unknown, unknown]>([
      ["to a tensor", () => core.tensor([1]), vector(-1)],
      ["to a list", () => [vector(0)], [vector(-1)]],
      ["to groups", () => [{ params: { w: vector(0) } }], { w: vector(-1) }],
    ])("%s: a group at the end", (_, params, first) => {
      const optimizer = new SGD(core, params() as Float32Array, { learningRate: 1 });
      const added = [vector(0), vector(0)];
      optimizer.add(added, { learningRate: 2 });
      optimizer.add({ z: core.tensor([1]) });
      expect(Object.keys(optimizer.state().parameters)).toEqual(expect.arrayContaining(["1", "2", "z"]));
      optimizer.step([first, { params: added.map(() => vector(-1)) }, { z: vector(-1) }] as Gradients);
      expect(optimizer.averaged()).toMatchObject([{}, [vector(2), vector(2)], { z: vector(1) }]);
      expect(() => optimizer.step([first, [vector(1), 5]] as Gradients)).toThrow("grads[1][1] is 5");
      expect(() => optimizer.step([5] as never)).toThrow("grads[0] is 5");
      expect(() => optimizer.step(vector(1))).toThrow("expected an array with the gradients of each group");
    });

    it("a parameter is no gradient any more", () => {
      const [a, b] = [core.tensor([1]), core.tensor([1])];
      const optimizer = new SGD(core, { a });
      optimizer.step({ a: b });
      optimizer.add({ b });
      const step = () => optimizer.step({ a: b, b: vector(1) });
      expectUnchanged(core, step, OptionError, /grads.a is a parameter itself/);
    });

    it("its norm counts, and a bound of the global norm is for all", () => {
      const [a, b] = [vector(0), vector(0)];
      const optimizer = new SGD(core, { a }, { learningRate: 1 });
      optimizer.add({ b }, { globalClipNorm: 1 });
      optimizer.step({ a: vector(-3), b: vector(-4) });
      expect([a[0], b[0]]).toEqual([3, Math.fround(4 * Math.fround(0.2))]);
    });

    const tensor = core.tensor([2]);
    it.each<[unknown, unknown, RegExp]>([
      [{ a: vector(1) }, {}, /params.a has the name "a", which params.a has too/],
      [{ b: tensor }, {}, /params.b is the same parameter as params.a/],
      [[tensor], {}, /params\[1\].params\[0\] is the same parameter as params.a/],
      [{ b: 5 }, {}, /params.b is 5/],
      [5, {}, /params\[1\].params is 5/],
      [{}, {}, /params is empty/],
      [{ b: vector(1) }, { rho: 1 }, /options.rho is not an option/],
      [{ b: vector(1) }, { onNonFinite: "skip" }, /options.onNonFinite is not an option/],
      [{ b: vector(1) }, { momentum: -1 }, /params\[1\].momentum is -1/],
    ])("refuses %o with %o, and changes nothing", (params, options, message) => {
      const optimizer = new SGD(core, { a: tensor }, { learningRate: 1 });
      const before = [optimizer.state(), optimizer.description()];
      expectUnchanged(core, () => optimizer.add(params as Float32Array, options as object), OptionError, message);
      expect([optimizer.state(), optimizer.description()]).toEqual(before);
      optimizer.step({ a: vector(0, 0) });
    });

    it("changes nothing and leaks nothing when memory runs out", () => {
      const small = makeCore(backend, { memory: { initialBytes: 65536, maximumBytes: 131072 } });
      const [a, b] = [small.tensor([1000]), small.tensor([9000])];
      const optimizer = new RMSProp(small, [a], { momentum: 0.9, centered: true });
      const { bytesInUse } = small.memory;
      expect(() => optimizer.add(b)).toThrow(OutOfMemoryError);
      expect(small.memory.bytesInUse).toBe(bytesInUse);
      optimizer.step([small.tensor([1000])]);
    });
  });

  it("everything that was made is given back", () => {
    const { bytesInUse } = core.memory;
    const optimizer = new RMSProp(core, [vector(1)], { emaDecay: 0.5, accumulationSteps: 2 });
    optimizer.add([vector(1)]);
    optimizer.setOptions({ momentum: 0.5, accumulationSteps: 1 });
    const t = core.tensor([3, 2]);
    optimizer.add({ t });
    optimizer.stepRows("t", [1, 1], new Float32Array(4));
    optimizer.dispose();
    t.dispose();
    expect(core.memory.bytesInUse).toBe(bytesInUse);
    const calls = [
      () => optimizer.averaged(),
      () => optimizer.description(),
      () => optimizer.setOptions({}),
      () => optimizer.add(vector(1)),
      () => optimizer.stepRows("t", [], vector()),
    ];
    for (const call of calls) expect(call).toThrow(DisposedError);
  });
});

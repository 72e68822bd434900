import { describe, expect, it, vi } from "vitest";
import { DisposedError, OptionError, type Shape } from "../../../src/index.js";
import {
  batchNorm,
  conv2d,
  dense,
  flatten,
  input,
  Layer,
  lstm,
  Model,
  multiHeadAttention,
  multiply,
  type ParameterSpec,
  type PlanBuilder,
  packModel,
  Sequential,
  type Value,
} from "../../../src/nn/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

/** x·Wᵀ: no layer of ours has the transpose of a weight in its forward pass, but a user's may. */
class Transposed extends Layer {
  override readonly kind = "transposed";

  override outputShape(): Shape {
    return [45];
  }

  override parameters([width]: Shape): ParameterSpec[] {
    return [{ name: "weight", shape: [45, width!], start: (random) => () => random.uniform() - 0.5 }];
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const y = builder.value([45]);
    const b = builder.parameter("weight");
    multiply(builder, { m: builder.rows, n: 45, k: x.rowSize, a: x, b, transposeB: true, c: y });
    return y;
  }
}

describe.each(backends)("packModel on %s", (backend) => {
  const core = makeCore(backend);
  /** Models with products of whole weights: wide and narrow ones, of layers with names, over images and sequences. */
  const models = {
    dense: new Sequential(core, [dense(65, { activation: "relu", name: "first" }), dense(40), dense(3)], {
      inputShape: [37],
      seed: 1,
    }),
    image: new Sequential(
      core,
      [conv2d(33, { kernelSize: 1 }), batchNorm(), flatten(), dense(32, { activation: "tanh" })],
      { inputShape: [3, 3, 4], seed: 2 },
    ),
    sequence: new Sequential(core, [multiHeadAttention(4, { keySize: 8 }), lstm(9), dense(34)], {
      inputShape: [5, 6],
      seed: 3,
    }),
    transposed: new Sequential(core, [new Transposed("t")], { inputShape: [37], seed: 4 }),
  };

  it.each([
    ["dense", 2],
    ["transposed", 1],
    ["image", 2],
    ["sequence", 5],
  ] as const)("%s predicts with the same bits, and packs %d weights once", (name, count) => {
    const model = models[name];
    const pack = vi.spyOn(core, "pack");
    const packed = packModel(model);
    expect(packed.core).toBe(core);
    expect(packed.inputShape).toEqual(model.inputShape);
    expect(packed.outputShape).toEqual(model.outputShape);
    for (const rows of [1, 2, 7, 300]) {
      const x = core.tensor([rows, ...model.inputShape], randomValues(rows * model.inputs, rows));
      const out = core.tensor([rows, ...model.outputShape]);
      packed.predict(x, { out });
      const expected = model.predict(x);
      expectSameBits(out.data, expected.data, `${rows} rows`);
      expect(packed.predictClasses(x)).toEqual(model.predictClasses(x));
      expect(packed.predictProbabilities(x)).toEqual(model.predictProbabilities(x));
    }
    expect(pack).toHaveBeenCalledTimes(count);
    pack.mockRestore();
    packed.dispose();
  });

  it("is a copy, whose memory is freed", () => {
    const model = models.dense;
    const x = core.tensor([2, 37], randomValues(74, 1));
    const before = model.predict(x).toArray();
    const { bytesInUse } = core.memory;
    const packed = packModel(model);
    const weight = model.parameters["first.weight"]!;
    const kept = weight.data.slice();
    weight.data.fill(0);
    const y = packed.predict(x);
    expect(y.toArray()).toEqual(before);
    weight.set(kept);
    y.dispose();
    packed.dispose();
    packed.dispose();
    expect(core.memory.bytesInUse).toBe(bytesInUse);
    expect(() => packed.predict(x)).toThrow(DisposedError);
  });

  it("keeps a state of its own", () => {
    const x = input([3, 4]);
    const outputs = dense(33).apply(lstm(5, { stateful: true }).apply(x));
    const model = new Model(core, { inputs: x, outputs, seed: 4 });
    const packed = packModel(model);
    const batch = randomValues(12, 5);
    const first = packed.predict(batch).toArray();
    expect(packed.predict(batch).toArray()).not.toEqual(first);
    packed.resetStates();
    expect(packed.predict(batch).toArray()).toEqual(first);
    expect(model.predict(batch).toArray()).toEqual(first);
  });

  it("refuses what is no model, or was disposed", () => {
    expect(() => packModel({} as never)).toThrow(OptionError);
    expect(() => packModel({} as never)).toThrow("model is Object, expected a Model");
    const gone = new Sequential(core, [dense(2, 1)]);
    gone.dispose();
    expect(() => packModel(gone)).toThrow(DisposedError);
  });
});

import { describe, expect, it } from "vitest";
import { CODECS } from "../../src/distributed/compression.js";
import { arrayRows } from "../../src/distributed/data.js";
import { DiLoCoWork } from "../../src/distributed/diloco-work.js";
import { DiLoCo, type DiLoCoOptions, LocalGroup } from "../../src/distributed/index.js";
import { mixSeed, Order } from "../../src/distributed/order.js";
import { PartialSums } from "../../src/distributed/tree.js";
import { RMSProp } from "../../src/entry/inline.js";
import { dense, Sequential, softmaxCrossEntropy, Trainer } from "../../src/nn/index.js";
import { expectSameBits } from "../helpers/bits.js";
import { makeCore } from "../helpers/cores.js";
import { randomValues } from "../helpers/random.js";

const ROWS = 96;
const x = randomValues(ROWS * 6, 1);
const y = Float32Array.from({ length: ROWS }, (_, i) => +(x[6 * i]! + x[6 * i + 3]! > 0));

function createTrainer(backend: "wasm" | "js" = "wasm"): Trainer {
  const core = makeCore(backend);
  const model = new Sequential(core, [dense(6, 8), dense(8, 2)], { seed: 2 });
  const optimizer = (p: typeof model.parameters) => new RMSProp(core, p, { learningRate: 0.01 });
  return new Trainer(model, { loss: softmaxCrossEntropy(), optimizer });
}

const valuesOf = ({ model }: Trainer) => Object.values(model.parameters).map(({ data }) => data.slice());

async function train(options: DiLoCoOptions, backend: "wasm" | "js" = "wasm", epochs = 4) {
  const trainer = createTrainer(backend);
  const diloco = new DiLoCo(trainer, new LocalGroup(), { slots: 4, localSteps: 3, seed: 5, ...options });
  const history = await diloco.fit({ x, y }, { batchSize: 4, epochs });
  return { trainer, history, values: valuesOf(trainer) };
}

describe("DiLoCo", () => {
  it("is local steps from the same start for each slot, then Nesterov's step along the mean change", async () => {
    const { values } = await train({}, "wasm", 2);
    // 96 rows, 4 slots of 3 steps of 4 rows: two rounds an epoch. Each slot keeps its optimizer.
    const F = Math.fround;
    const order = new Order(ROWS, 48, 12, true, 5);
    const slots = Array.from({ length: 4 }, () => createTrainer("js"));
    let outer = valuesOf(slots[0]!);
    let velocity = outer.map((values) => values.map(() => 0));
    for (let round = 0; round < 4; round++) {
      const changes = slots.map((slot, index) => {
        Object.values(slot.model.parameters).forEach(({ data }, i) => {
          data.set(outer[i]!);
        });
        for (let at = 0; at < 3; at++) {
          const indices = order.indices(round, index * 3 + at);
          const inputs = Float32Array.from(
            { length: 6 * indices.length },
            (_, i) => x[6 * indices[Math.floor(i / 6)]! + (i % 6)]!,
          );
          slot.backward(
            inputs,
            Float32Array.from(indices, (row) => y[row]!),
            { seed: mixSeed(5, round * 3 + at, index) },
          );
          slot.update();
        }
        return valuesOf(slot).map((values, i) => outer[i]!.map((value, k) => F(value - values[k]!)));
      });
      const mean = outer.map((_, i) => {
        const sums = new PartialSums(4);
        changes.forEach((change, first) => {
          sums.add({ first, size: 1 }, change[i]!.slice());
        });
        return sums.total!.map((sum) => F(sum / 4));
      });
      // SGD's documented form with Nesterov's momentum, each operation rounded.
      velocity = velocity.map((v, i) => v.map((value, k) => F(F(F(0.9) * value) + mean[i]![k]!)));
      outer = outer.map((values, i) =>
        values.map((value, k) => F(value - F(F(0.7) * F(mean[i]![k]! + F(F(0.9) * velocity[i]![k]!))))),
      );
    }
    values.forEach((value, i) => {
      expect(value.length).toBe(outer[i]!.length);
      value.forEach((actual, k) => {
        expect(Math.abs(actual - outer[i]![k]!)).toBeLessThan(1e-5);
      });
    });
  });

  it.each(Object.keys(CODECS) as (keyof typeof CODECS)[])(
    "has the same bits on every backend, with %s",
    async (compression) => {
      const [wasm, js] = await Promise.all([train({ compression }), train({ compression }, "js")]);
      wasm.values.forEach((values, i) => {
        expectSameBits(js.values[i]!, values, `parameter ${i}`);
      });
      expect(js.history).toEqual(wasm.history);
      expect(wasm.history.at(-1)!.loss).toBeLessThan(wasm.history[0]!.loss);
    },
  );

  it("sends what compression left out in later rounds", async () => {
    const [exact, int8] = await Promise.all([train({}, "wasm", 12), train({ compression: "int8" }, "wasm", 12)]);
    const distance = Math.max(
      ...exact.values.flatMap((v, i) => [...v].map((value, k) => Math.abs(value - int8.values[i]![k]!))),
    );
    expect(distance).toBeGreaterThan(0);
    expect(int8.history.at(-1)!.loss).toBeLessThan(exact.history.at(-1)!.loss * 1.2 + 0.02);
  });

  it("leaves what compression dropped to the next round: the sum of what is sent follows the sum of what changed", async () => {
    const trainer = createTrainer();
    const settings = {
      slots: 1,
      localSteps: 1,
      outerLearningRate: 0,
      outerMomentum: 0,
      compression: "int8",
      seed: 1,
    } as const;
    const order = new Order(ROWS, ROWS, 1, false, 1);
    const notes = { save: () => "", load: () => {} };
    const work = new DiLoCoWork(trainer, arrayRows({ x, y }, ROWS), order, settings, () => {}, notes);
    // The outer step is 0 long: each round makes a step from the same start, with the inner optimizer's next state.
    const block = { first: 0, size: 1 };
    const count = trainer.gradients.block.size;
    const sent = new Float64Array(count);
    const changed = new Float64Array(count);
    const other = createTrainer();
    const start = valuesOf(other);
    let largest = 0;
    for (let round = 0; round < 20; round++) {
      const part = await new Promise<Uint8Array | undefined>((resolve, reject) => {
        work.compute(round, block, () => false, resolve, reject);
      });
      const values = work.decode(part!)!;
      Object.values(other.model.parameters).forEach(({ data }, i) => {
        data.set(start[i]!);
      });
      other.backward(x, y, { seed: mixSeed(1, round, 0) });
      other.update();
      let at = 0;
      Object.values(other.model.parameters).forEach(({ data, size }, i) => {
        for (let k = 0; k < size; k++) {
          changed[at + k]! += start[i]![k]! - data[k]!;
          largest = Math.max(largest, Math.abs(start[i]![k]! - data[k]!));
        }
        at += Math.ceil(size / 16) * 16;
      });
      for (let i = 0; i < count; i++) sent[i]! += values[i]!;
      work.apply(round, work.encodeRoot(values));
    }
    // Without feedback the errors of 20 rounds would add up; with it only the last one is missing.
    sent.forEach((value, i) => {
      expect(Math.abs(value - changed[i]!)).toBeLessThanOrEqual((1.1 * largest) / 127);
    });
  });

  it("refuses what makes no sense", () => {
    const [trainer, group] = [createTrainer("js"), new LocalGroup()];
    const create = (options: object) => () => new DiLoCo(trainer, group, options);
    expect(create({ slots: 0 })).toThrow(/slots is 0, expected/);
    expect(create({ localSteps: 1.5 })).toThrow(/localSteps is 1.5/);
    expect(create({ compression: "int4" })).toThrow(
      /compression is "int4", expected one of "none", "bfloat16", "int8"/,
    );
    expect(create({ outerMomentum: 2 })).toThrow(/outerMomentum is 2/);
    expect(create({ microBatches: 2 })).toThrow(/options.microBatches is not an option/);
  });
});

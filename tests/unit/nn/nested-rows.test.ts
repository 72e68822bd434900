import { describe, expect, it } from "vitest";
import { DistributedTrainer, LocalGroup } from "../../../src/distributed/index.js";
import { OptionError, SGD, ShapeError } from "../../../src/index.js";
import * as nn from "../../../src/nn/index.js";
import { makeCore } from "../../helpers/cores.js";

// Rows may be nested wherever they may be numbers one after the other; the bits are the same.

const core = makeCore("js");
const nested = [
  [1, 2],
  [3, 5],
  [0, 1],
  [2, 2],
];
const flat = nested.flat();
const classes = [0, 1, 1, 0];
const oneHot = classes.map((label) => [1 - label, label]);

function setup() {
  const model = new nn.Sequential(core, [nn.dense(2)], { inputShape: [2], seed: 1 });
  const loss = nn.softmaxCrossEntropy();
  const trainer = new nn.Trainer(model, { loss, optimizer: (parameters) => new SGD(core, parameters) });
  return { model, trainer };
}

describe("nested rows", () => {
  it("are the rows of a batch, for predictions, steps, evaluation and fit", async () => {
    const results = [];
    for (const [x, y] of [
      [flat, classes],
      [nested, oneHot],
      [nested.map((row) => Float32Array.from(row)), classes.map((label) => [label])],
    ] as const) {
      const { model, trainer } = setup();
      const steps = [trainer.step(x, y), trainer.backward(x, y), trainer.evaluate(x, y).loss];
      const history = await trainer.fit({ x, y }, { epochs: 2, batchSize: 3, validation: { x, y } });
      const y2 = [...model.predict(x).data, ...model.predictClasses(x), ...model.forward(x).data];
      results.push([...steps, ...history.map(({ loss }) => loss), ...y2, ...model.backward(x).data]);
      trainer.dispose();
      model.dispose();
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it("of images are nested deeper, and models of several inputs take an array of batches", () => {
    const image = [
      [[1], [2]],
      [[3], [4]],
    ];
    const flattened = new nn.Sequential(core, [nn.flatten()], { inputShape: [2, 2, 1] });
    expect(flattened.predict([image, image]).toArray()).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ]);
    const [a, b] = [nn.input([2]), nn.input([2])];
    const sum = new nn.Model(core, { inputs: [a, b], outputs: nn.add().apply([a, b]) });
    expect(sum.predict([nested, flat]).toArray()).toEqual(nested.map(([p, q]) => [2 * p!, 2 * q!]));
  });

  it("of another width, or of something else, are refused by their index", () => {
    const { model, trainer } = setup();
    const ragged = [[1, 2], [3]];
    expect(() => model.predict(ragged)).toThrow(ShapeError);
    expect(() => model.predict(ragged)).toThrow(/^x\[1\] is Array\(1\) with 1 elements, expected a row of 2 elements$/);
    expect(() => model.predict([[1, 2], 3] as never)).toThrow(/^x\[1\] is 3, expected a row of 2 elements$/);
    expect(() => model.predict([1, [2, 3]] as never)).toThrow(OptionError);
    expect(() => model.predict([[1, "2"]] as never)).toThrow(/^x\[1\] is "2", expected a number$/);
    expect(() => trainer.step(nested, [0, 1, 1])).toThrow(
      /^y has 3 elements for 4 rows of x, expected 4 class indices or 8 values: /,
    );
    expect(() => trainer.step(nested, [[0, 0, 1], [1], [1], [1]])).toThrow(/^y\[0\] is Array\(3\)/);
  });

  it("are nested as their shape, or with neighboring axes as one", () => {
    const of = (shape: number[]) => new nn.Sequential(core, [nn.flatten()], { inputShape: shape });
    const values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    /** The numbers from 1 on, nested like this. */
    const nest = (shape: number[]): unknown => {
      const of = ([length, ...inner]: number[], first: number): unknown => {
        const step = inner.reduce((a, b) => a * b, 1);
        return length === undefined ? first : Array.from({ length }, (_, i) => of(inner, first + i * step));
      };
      return of(shape, 1);
    };
    const takes: [shape: number[], nesting: number[]][] = [
      [
        [2, 2, 3],
        [2, 2, 3],
      ],
      [
        [2, 2, 3],
        [4, 3],
      ],
      [
        [2, 2, 3],
        [2, 6],
      ],
      [
        [2, 6, 1],
        [2, 6],
      ],
      [[12], [3, 4]],
      [
        [3, 4],
        [1, 3, 2, 2],
      ],
    ];
    for (const [shape, nesting] of takes) {
      expect([...of(shape).predict([nest(nesting), values] as never).data], `${nesting}`).toEqual([
        ...values,
        ...values,
      ]);
    }
    for (const [shape, nesting] of [
      [
        [2, 6],
        [6, 2],
      ],
      [
        [2, 2, 3],
        [2, 3, 2],
      ],
      [
        [3, 4],
        [2, 6],
      ],
      [[12], [13]],
    ] as const) {
      expect(() => of([...shape]).predict([values, nest([...nesting])] as never), `${nesting}`).toThrow(ShapeError);
    }
    expect(() => of([2, 3]).predict([nest([3, 2])] as never)).toThrow(
      /^x\[0\] is Array\(3\) nested as \[3,2\], expected a row of 6 elements, nested as \[2,3\] if at all$/,
    );
    let deep: unknown = 1;
    for (let i = 0; i < 10_000; i++) deep = [deep];
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    for (const uneven of [
      [
        [1, 2],
        [3, 4, 5, 6],
      ],
      [
        [[1], 2, 3],
        [4, 5, 6],
      ],
      [1, 2, 3, [4, 5, 6]],
      deep,
      cyclic,
    ]) {
      expect(() => of([2, 3]).predict([uneven] as never)).toThrow(/^x\[0\] is .* nested unevenly, expected a row of 6/);
      expect(() => nn.fitStandardizer([uneven] as never, 6)).toThrow(/^x\[0\] is .* nested unevenly/);
    }
  });

  it("are what the helpers take, too", () => {
    const scaler = nn.fitStandardizer(nested, 2);
    expect(scaler.state).toEqual(nn.fitStandardizer(flat, 2).state);
    expect(scaler.apply(nested)).toEqual(scaler.apply(flat));
    expect(() => scaler.apply([[1, 2, 3]])).toThrow(/^x\[0\] is Array\(3\) with 3 elements, expected a row of 2/);
    const options = { rows: 4, validation: 0.25, seed: 3 };
    expect(nn.splitRows({ x: nested, y: classes }, options)).toEqual(nn.splitRows({ x: flat, y: classes }, options));
  });

  it("are shared by the members of a group", async () => {
    const losses = [];
    for (const x of [flat, nested]) {
      const { trainer } = setup();
      const distributed = new DistributedTrainer(trainer, new LocalGroup(), { microBatches: 2 });
      const history = [];
      for await (const { loss } of distributed.fit({ x, y: classes }, { epochs: 2, batchSize: 2 })) history.push(loss);
      losses.push(history);
    }
    expect(losses[1]).toEqual(losses[0]);
    expect(losses[0]!.length).toBe(2);
  });
});

import { expect, it } from "vitest";
import { hardSigmoid } from "../../src/backend/js/recurrent/activation.js";
import { expectSameBits } from "../helpers/bits.js";
import { type AllKernels, conform, describeConformance, type Operands } from "../helpers/conformance.js";
import { randomSource, SPECIAL_VALUES } from "../helpers/random.js";
import {
  type Cell,
  expectWithin,
  gatesOf,
  operandsOf,
  outputStart,
  type RecurrentCase,
  reference,
} from "../helpers/recurrent.js";

type Pointers = Record<string, number>;

const CELLS: Cell[] = ["lstm", "gru", "gruBefore", "rnn"];

function forward(kernels: AllKernels, p: Pointers, test: RecurrentCase, first = 0, count = test.batch): void {
  const { cell, units, steps, states = true, bias = true } = test;
  const rows = [p.sequence!, first, count, units, steps, p.recurrent!] as const;
  const mask = test.mask ? p.mask! : 0;
  const h0 = states ? p.h0! : 0;
  const hEnd = states ? p.hEnd! : 0;
  const output = p.output! + outputStart(test) * 4;
  const { scratch } = p as { scratch: number };
  if (cell === "lstm") {
    const [c0, cEnd] = states ? [p.c0!, p.cEnd!] : [0, 0];
    kernels.lstm_forward_f32(
      ...rows,
      p.gates!,
      p.states!,
      p.cells!,
      p.extra!,
      mask,
      h0,
      c0,
      hEnd,
      cEnd,
      output,
      scratch,
    );
  } else if (cell === "rnn") {
    kernels.simple_rnn_forward_f32(...rows, p.gates!, p.states!, mask, h0, hEnd, output, scratch);
  } else {
    const b = bias && cell === "gru" ? p.bias! : 0;
    kernels.gru_forward_f32(...rows, b, p.gates!, p.states!, p.extra!, mask, h0, hEnd, output, scratch);
  }
}

function backward(kernels: AllKernels, p: Pointers, test: RecurrentCase, first = 0, count = test.batch): void {
  const { cell, units, steps, states = true } = test;
  const rows = [p.sequence!, first, count, units, steps, p.recurrent!] as const;
  const mask = test.mask ? p.mask! : 0;
  const [dhEnd, dh0] = states ? [p.dhEnd!, p.dh0!] : [0, 0];
  const dy = p.dOutput! + outputStart(test) * 4;
  const { scratch } = p as { scratch: number };
  if (cell === "lstm") {
    const [dcEnd, dc0] = states ? [p.dcEnd!, p.dc0!] : [0, 0];
    kernels.lstm_backward_f32(...rows, p.gates!, p.cells!, p.extra!, mask, dy, dhEnd, dcEnd, dh0, dc0, scratch);
  } else if (cell === "rnn") {
    kernels.simple_rnn_backward_f32(...rows, p.gates!, p.states!, mask, dy, dhEnd, dh0, scratch);
  } else {
    kernels.gru_backward_f32(...rows, p.gates!, p.states!, p.extra!, mask, dy, dhEnd, dh0, scratch);
  }
}

const scratchOf = (test: RecurrentCase) => (kernels: AllKernels) =>
  kernels.recurrent_scratch_bytes(test.batch, test.units, gatesOf(test.cell));

/** Both passes on every backend. */
function run(test: RecurrentCase, operands: Operands): { after: Operands; back: Operands } {
  const what = JSON.stringify({ ...test, mask: test.mask?.join("") });
  const after = conform(
    `${what} forward`,
    operands,
    (kernels, p) => forward(kernels, p, test),
    scratchOf(test),
  ).operands;
  const back = conform(`${what} backward`, after, (kernels, p) => backward(kernels, p, test), scratchOf(test)).operands;
  return { after, back };
}

/** Compares both passes with the tape, and returns the largest bound that was used. */
function compare(test: RecurrentCase, operands: Operands, after: Operands, back: Operands): number {
  const { cell, batch, steps, units, states = true } = test;
  const found = reference(test, operands);
  let loosest = 0;
  const within = (actual: number, value: number, error: number, what: string) => {
    loosest = Math.max(loosest, error);
    expectWithin(actual, value, error, what);
  };
  for (const { node, at } of found.outputs) within(after.output![at]!, node.value, node.error, `output[${at}]`);
  if (states) {
    found.hEnd.forEach((node, i) => {
      within(after.hEnd![i]!, node.value, node.error, `final state ${i}`);
    });
    if (cell === "lstm") {
      found.cEnd.forEach((node, i) => {
        within(after.cEnd![i]!, node.value, node.error, `final cell ${i}`);
      });
    }
  }
  const outputs = found.outputs.map(({ node, at }) => ({ node, weight: operands.dOutput![at]! }));
  if (states) {
    found.hEnd.forEach((node, i) => {
      outputs.push({ node, weight: operands.dhEnd![i]! });
    });
    if (cell === "lstm") {
      found.cEnd.forEach((node, i) => {
        outputs.push({ node, weight: operands.dcEnd![i]! });
      });
    }
  }
  found.tape.gradients(outputs);
  found.inputs.forEach((node, i) => {
    within(back.gates![i]!, node.gradient, node.gradientError, `gradient of gates[${i}]`);
  });
  if (states) {
    found.h0.forEach((node, i) => {
      within(back.dh0![i]!, node.gradient, node.gradientError, `gradient of initial state ${i}`);
    });
    if (cell === "lstm") {
      found.c0.forEach((node, i) => {
        within(back.dc0![i]!, node.gradient, node.gradientError, `gradient of initial cell ${i}`);
      });
    }
  }
  // The gradient of U, as a layer computes it from what the kernels leave behind, in float64.
  const n = gatesOf(cell);
  const products = new Float64Array(units * n * units);
  for (let t = 0; t < steps; t++) {
    for (let b = 0; b < batch; b++) {
      const slot = ((test.reverse ? t + 1 : t) * batch + b) * units;
      const row = t * batch + b;
      for (let p = 0; p < units; p++) {
        for (let column = 0; column < n * units; column++) {
          const isCandidate = n === 3 && column >= 2 * units;
          const extra = back.extra![row * units + (column % units)]!;
          const da = cell === "gru" && isCandidate ? extra : back.gates![row * n * units + column]!;
          const left = cell === "gruBefore" && isCandidate ? after.extra![row * units + p]! : after.states![slot + p]!;
          products[p * n * units + column]! += left * da;
        }
      }
    }
  }
  found.recurrent.forEach((node, i) => {
    within(products[i]!, node.gradient, node.gradientError, `gradient of U[${i}]`);
  });
  return loosest;
}

/** Sizes around tiles, vectors and pairs of them. */
const SIZES = [
  [1, 1, 1],
  [1, 3, 8],
  [2, 2, 5],
  [3, 4, 9],
  [4, 3, 16],
  [5, 1, 17],
  [9, 5, 12],
  [13, 2, 23],
] as const;

describeConformance("recurrent kernels", () => {
  for (const cell of CELLS) {
    it.each(SIZES)(`${cell}: %i rows, %i steps, %i units`, (batch, steps, units) => {
      const test: RecurrentCase = { cell, batch, steps, units, seed: batch * 100 + units };
      const operands = operandsOf(test);
      const { after, back } = run(test, operands);
      expect(compare(test, operands, after, back)).toBeLessThan(1e-3);
      // What is only read is as it was, and forward and backward leave each other's operands alone.
      for (const name of ["sequence", "recurrent", "bias", "mask", "h0", "c0", "dOutput", "dhEnd", "dcEnd"]) {
        expectSameBits(back[name]!, operands[name]!, name);
      }
      expectSameBits(back.states!, after.states!, "states");
      if (cell === "lstm") expectSameBits(back.cells!, after.cells!, "cells");
    });

    it.each(Array.from({ length: 16 }, (_, i) => i))(`${cell}: options %i`, (bits) => {
      const [batch, steps, units] = [5, 4, 6];
      const next = randomSource(bits);
      const test: RecurrentCase = {
        cell,
        batch,
        steps,
        units,
        reverse: (bits & 1) !== 0,
        everyStep: (bits & 2) !== 0,
        states: (bits & 4) !== 0,
        zeroMasked: (bits & 8) !== 0,
        bias: bits % 3 !== 0,
        gap: bits % 3,
        seed: 40 + bits,
        // Nothing left out, everything, the beginning, the end, and one in the middle.
        mask: [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, next() > 0.5 ? 1 : 0, 0, 1],
      };
      for (const masked of [true, false]) {
        const one = masked ? test : { ...test, mask: undefined as unknown as number[] };
        if (!masked) delete (one as Partial<RecurrentCase>).mask;
        const operands = operandsOf(one);
        const { after, back } = run(one, operands);
        expect(compare(one, operands, after, back)).toBeLessThan(1e-3);
        const row = units + (test.gap ?? 0);
        after.output!.forEach((value, i) => {
          if (i % row >= units) expect(value, "between rows of the output").toBe(7);
        });
      }
    });

    it.each([
      ["relu", "sigmoid", 1 / 6],
      ["linear", "hardSigmoid", 1 / 6],
      ["tanh", "hardSigmoid", 0.2],
      ["sigmoid", "tanh", 1],
      ["hardSigmoid", "relu", 0.2],
    ] as const)(`${cell}: %s, gates %s`, (activation, recurrentActivation, slope) => {
      const test: RecurrentCase = {
        cell,
        batch: 4,
        steps: 3,
        units: 11,
        activation,
        recurrentActivation,
        slope,
        seed: 77,
      };
      const operands = operandsOf(test, 0.7);
      const { after, back } = run(test, operands);
      expect(compare(test, operands, after, back)).toBeLessThan(1e-3);
    });

    it(`${cell}: small integers exactly`, () => {
      const test: RecurrentCase = {
        cell,
        batch: 5,
        steps: 2,
        units: 2,
        activation: "linear",
        recurrentActivation: "linear",
      };
      const operands = operandsOf(test);
      const next = randomSource(5);
      for (const name of ["recurrent", "bias", "gates", "h0", "c0", "dOutput", "dhEnd", "dcEnd"]) {
        operands[name] = operands[name]!.map(() => Math.floor(next() * 3) - 1) as Float32Array;
      }
      const { after, back } = run(test, operands);
      const found = reference(test, operands);
      found.tape.gradients([
        ...found.outputs.map(({ node, at }) => ({ node, weight: operands.dOutput![at]! })),
        ...found.hEnd.map((node, i) => ({ node, weight: operands.dhEnd![i]! })),
        ...(cell === "lstm" ? found.cEnd.map((node, i) => ({ node, weight: operands.dcEnd![i]! })) : []),
      ]);
      const largest = Math.max(...found.inputs.map(({ gradient }) => Math.abs(gradient)));
      expect(largest, "more would not be exact in float32").toBeLessThan(2 ** 24);
      for (const { node, at } of found.outputs) expect(after.output![at]! + 0).toBe(node.value + 0);
      expect(Array.from(back.gates!, (x) => x + 0)).toEqual(found.inputs.map(({ gradient }) => gradient + 0));
      expect(Array.from(back.dh0!, (x) => x + 0)).toEqual(found.h0.map(({ gradient }) => gradient + 0));
    });

    it(`${cell}: rows of their own`, () => {
      // The same rows in pieces: no bit changes, and no other row is touched.
      const test: RecurrentCase = { cell, batch: 11, steps: 3, units: 10, seed: 9 };
      const operands = operandsOf(test);
      const pieces = [
        [0, 4],
        [4, 0],
        [4, 1],
        [5, 6],
      ] as const;
      const { after, back } = run(test, operands);
      const ahead = conform(
        "forward in pieces",
        operands,
        (kernels, p) => {
          for (const [first, count] of pieces) forward(kernels, p, test, first, count);
        },
        scratchOf(test),
      ).operands;
      const behind = conform(
        "backward in pieces",
        after,
        (kernels, p) => {
          for (const [first, count] of pieces) backward(kernels, p, test, first, count);
        },
        scratchOf(test),
      ).operands;
      for (const name of Object.keys(operands)) {
        expectSameBits(ahead[name]!, after[name]!, `${name} forward in pieces`);
        expectSameBits(behind[name]!, back[name]!, `${name} backward in pieces`);
      }
    });

    it(`${cell}: special values, with and without a mask`, () => {
      const [batch, steps, units] = [19, 3, 9];
      const test: RecurrentCase = { cell, batch, steps, units, seed: 3 };
      const operands = operandsOf(test);
      operands.gates!.set(SPECIAL_VALUES, 5);
      operands.gates!.set(SPECIAL_VALUES, 2 * gatesOf(cell) * units + 1);
      operands.h0!.set(SPECIAL_VALUES, 40);
      operands.dOutput!.set(SPECIAL_VALUES, 100);
      run(test, operands);
      const mask: number[] = Array.from({ length: batch * steps }, (_, i) => (i % 4 === 0 ? 0 : 1));
      mask[7] = Number.NaN; // is not 0
      const masked: RecurrentCase = { ...test, mask, reverse: true };
      const sequence = operandsOf(masked);
      run(masked, { ...operands, sequence: sequence.sequence!, mask: sequence.mask! });
      operands.recurrent!.set([Number.POSITIVE_INFINITY, Number.NaN], 20);
      run({ ...test, mask }, { ...operands, mask: sequence.mask! });
    });

    it(`${cell}: more rows than are multiplied at a time, none, and no steps`, () => {
      const test: RecurrentCase = { cell, batch: 103, steps: 2, units: 5, seed: 21, mask: new Array(206).fill(1) };
      test.mask![199] = 0;
      const operands = operandsOf(test);
      const { after, back } = run(test, operands);
      expect(compare(test, operands, after, back)).toBeLessThan(1e-3);
      const none: RecurrentCase = { cell, batch: 0, steps: 3, units: 4 };
      run(none, operandsOf(none));
      const still: RecurrentCase = { cell, batch: 3, steps: 0, units: 4 };
      const quiet = operandsOf(still);
      const { after: ended, back: begun } = run(still, quiet);
      expectSameBits(ended.hEnd!, quiet.h0!, "the final state is the initial one");
      expectSameBits(begun.dh0!, quiet.dhEnd!, "and so are their gradients");
    });

    it(`${cell}: what a mask leaves out is not seen`, () => {
      const test: RecurrentCase = { cell, batch: 4, steps: 4, units: 5, seed: 8 };
      const mask = [1, 1, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0];
      const operands = operandsOf({ ...test, mask });
      const { after, back } = run({ ...test, mask }, operands);
      const spoilt = operandsOf({ ...test, mask });
      const n = gatesOf(cell) * test.units;
      mask.forEach((kept, i) => {
        const [b, t] = [Math.floor(i / test.steps), i % test.steps];
        if (kept === 0) (spoilt.gates as Float32Array).fill(Number.NaN, (t * 4 + b) * n, (t * 4 + b + 1) * n);
      });
      const other = run({ ...test, mask }, spoilt);
      expectSameBits(other.after.output!, after.output!, "output");
      expectSameBits(other.back.gates!, back.gates!, "gradients");
      expectSameBits(other.back.dh0!, back.dh0!, "gradient of the initial state");
    });
  }

  it("the tape's derivatives are those of finite differences", () => {
    for (const cell of CELLS) {
      const test: RecurrentCase = { cell, batch: 2, steps: 3, units: 3, seed: 4, mask: [1, 1, 1, 0, 1, 1] };
      const operands = operandsOf(test);
      const wide = Object.fromEntries(Object.entries(operands).map(([k, v]) => [k, Array.from(v)]));
      const loss = () =>
        reference(test, wide as unknown as Operands).outputs.reduce((sum, { node, at }) => {
          return sum + node.value * operands.dOutput![at]!;
        }, 0);
      const found = reference(test, wide as unknown as Operands);
      found.tape.gradients(found.outputs.map(({ node, at }) => ({ node, weight: operands.dOutput![at]! })));
      const step = 2 ** -17;
      for (const [name, nodes] of [
        ["gates", found.inputs],
        ["recurrent", found.recurrent],
        ["h0", found.h0],
      ] as const) {
        nodes.forEach((node, i) => {
          const value = wide[name]![i]!;
          wide[name]![i] = value + step;
          const above = loss();
          wide[name]![i] = value - step;
          const below = loss();
          wide[name]![i] = value;
          expectWithin((above - below) / (2 * step), node.gradient, 1e-8, `${cell}: derivative by ${name}[${i}]`);
        });
      }
    }
  });

  it("hardSigmoid at its ends", () => {
    for (const slope of [1 / 6, 0.2]) {
      const f = (x: number) => hardSigmoid(Math.fround(slope), x);
      expect([f(-9), f(0), f(9)]).toEqual([0, 0.5, 1]);
      expect([f(Number.NEGATIVE_INFINITY), f(Number.POSITIVE_INFINITY), f(Number.NaN)]).toEqual([0, 1, Number.NaN]);
    }
  });
});

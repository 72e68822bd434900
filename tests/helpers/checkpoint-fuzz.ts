import fc from "fast-check";
import { expect } from "vitest";
import { loadCheckpoint, readSafetensors, saveCheckpoint, writeSafetensors } from "../../src/checkpoint/index.js";
import { CheckpointError, RMSProp } from "../../src/index.js";
import { expectSameBits } from "./bits.js";
import { makeCore, snapshot } from "./cores.js";
import { randomValues } from "./random.js";
import { fileOf } from "./safetensors.js";

/** One change of a file. */
type Mutation = (bytes: Uint8Array) => Uint8Array;

/** The header of a file, its text edited; the length before it follows. */
function editHeader(bytes: Uint8Array, edit: (text: string) => string): Uint8Array {
  if (bytes.length < 8) return bytes;
  const length = Math.min(Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)), bytes.length - 8);
  const text = new TextDecoder().decode(bytes.subarray(8, 8 + length));
  return fileOf(edit(text), bytes.subarray(8 + length));
}

/** Replaces the number at `at` (of all in the header, counted around) by what `change` says. */
function editNumber(text: string, at: number, change: (digits: string) => string): string {
  const numbers = [...text.matchAll(/-?\d+/g)];
  if (numbers.length === 0) return text;
  const { 0: digits, index } = numbers[at % numbers.length]!;
  return text.slice(0, index) + change(digits) + text.slice(index + digits.length);
}

const position = fc.nat({ max: 1_000_000 });
const value = fc.oneof(
  fc.integer({ min: -2, max: 100 }).map(String),
  fc.constantFrom("-0", "1.5", "1e2", "1e400", "9007199254740993", "null", '"4"', "[]", "{}"),
);
const text = fc.constantFrom(
  '"F32"',
  '"F16"',
  '"I64"',
  '"shape"',
  '"__metadata__"',
  "{",
  "}",
  ",",
  ":",
  '"',
  "\\",
  "\0",
);

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(position, fc.nat(7)).map(
    ([at, bit]): Mutation =>
      (bytes) => {
        const copy = bytes.slice();
        if (copy.length > 0) copy[at % copy.length]! ^= 1 << bit;
        return copy;
      },
  ),
  position.map(
    (length): Mutation =>
      (bytes) =>
        bytes.slice(0, length % (bytes.length + 1)),
  ),
  fc.uint8Array({ maxLength: 40 }).map(
    (more): Mutation =>
      (bytes) =>
        Uint8Array.from([...bytes, ...more]),
  ),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(
    (length): Mutation =>
      (bytes) => {
        const copy = bytes.slice();
        if (copy.length >= 8) new DataView(copy.buffer).setBigUint64(0, length, true);
        return copy;
      },
  ),
  fc.tuple(position, value).map(
    ([at, by]): Mutation =>
      (bytes) =>
        editHeader(bytes, (header) => editNumber(header, at, () => by)),
  ),
  fc.tuple(position, position).map(
    ([a, b]): Mutation =>
      (bytes) =>
        editHeader(bytes, (header) => {
          const digits = [...header.matchAll(/-?\d+/g)].map((match) => match[0]);
          if (digits.length === 0) return header;
          const [x, y] = [digits[a % digits.length]!, digits[b % digits.length]!];
          return editNumber(
            editNumber(header, a, () => y),
            b,
            () => x,
          );
        }),
  ),
  fc.tuple(position, text, fc.nat(12)).map(
    ([at, by, length]): Mutation =>
      (bytes) =>
        editHeader(bytes, (header) => {
          const start = at % (header.length + 1);
          return header.slice(0, start) + by + header.slice(start + length);
        }),
  ),
);

const mutations = fc.array(mutation, { minLength: 1, maxLength: 3 });
const mutate = (bytes: Uint8Array, changes: readonly Mutation[]) =>
  changes.reduce((file, change) => change(file), bytes);

/** Reads, or throws CheckpointError; what was read must be what the header says, and be written and read again. */
function readOrRefuse(bytes: Uint8Array): "read" | "refused" {
  let file: ReturnType<typeof readSafetensors>;
  try {
    file = readSafetensors(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(CheckpointError);
    return "refused";
  }
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const names = Object.keys(header).filter((name) => name !== "__metadata__");
  expect([...file.tensors.keys()].sort()).toEqual(names.sort());
  let size = 0;
  for (const [name, { dtype, shape, data }] of file.tensors) {
    expect({ dtype, shape }).toEqual({ dtype: header[name].dtype, shape: header[name].shape });
    expect(data.length).toBe(shape.reduce((product, dimension) => product * dimension, 1));
    const [begin, end] = header[name].data_offsets;
    if (dtype === "F32") expect(new Uint8Array(data.buffer)).toEqual(bytes.slice(8 + length + begin, 8 + length + end));
    size += end - begin;
  }
  expect(8 + length + size).toBe(bytes.length);
  return "read";
}

/** Random bytes, and valid files that were changed: the reader never throws anything but CheckpointError. */
export function fuzzReader(numRuns: number): void {
  const seen = { read: 0, refused: 0 };
  const valid = writeSafetensors(
    [
      ["weight", { shape: [2, 3], data: randomValues(6, 1) }],
      ["10", { shape: [1], data: Float32Array.of(1) }],
      ["half", { shape: [4], data: Uint16Array.of(1, 2, 3, 4) }],
      ["count", { shape: [], data: BigInt64Array.of(7n) }],
      ["none", { shape: [0, 5], data: new Float32Array(0) }],
    ],
    { note: "4" },
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.tuple(fc.json(), fc.uint8Array({ maxLength: 20 })).map(([header, data]) => fileOf(header, data)),
    mutations.map((changes) => mutate(valid, changes)),
    fc
      .tuple(mutations, fc.nat(7))
      .map(([changes, shift]) =>
        Uint8Array.from([...new Uint8Array(shift), ...mutate(valid, changes)]).subarray(shift),
      ),
  );
  fc.assert(
    fc.property(bytes, (file) => {
      seen[readOrRefuse(file)]++;
    }),
    { numRuns },
  );
  // Both happen, so both are tested.
  expect(seen.read).toBeGreaterThan(numRuns / 100);
  expect(seen.refused).toBeGreaterThan(numRuns / 2);
}

/** Checkpoints that were changed: a load throws CheckpointError and changes nothing, or succeeds. */
export function fuzzLoad(numRuns: number): void {
  const core = makeCore("js");
  const parameters = { weight: core.tensor([2, 3], randomValues(6, 1)), bias: randomValues(2, 2) };
  const optimizer = new RMSProp(core, parameters, { momentum: 0.9 });
  optimizer.step({ weight: randomValues(6, 3), bias: randomValues(2, 4) });
  const valid = saveCheckpoint({ parameters, optimizer });
  optimizer.step({ weight: randomValues(6, 5), bias: randomValues(2, 6) });
  const start = saveCheckpoint({ parameters, optimizer });
  let refused = 0;
  fc.assert(
    fc.property(mutations, (changes) => {
      const memory = snapshot(core);
      const bias = parameters.bias.slice();
      const { iterations } = optimizer;
      try {
        loadCheckpoint(mutate(valid, changes), { parameters, optimizer });
      } catch (error) {
        expect(error).toBeInstanceOf(CheckpointError);
        expect(snapshot(core).equals(memory)).toBe(true);
        expectSameBits(parameters.bias, bias, "bias");
        expect(optimizer.iterations).toBe(iterations);
        refused++;
        return;
      }
      loadCheckpoint(start, { parameters, optimizer });
    }),
    { numRuns },
  );
  expect(refused).toBeGreaterThan(numRuns / 4);
  expect(refused).toBeLessThan(numRuns);
}

import fc from "fast-check";
import { expect } from "vitest";
import {
  keras3,
  loadCheckpoint,
  optax,
  pytorch,
  readSafetensors,
  type Safetensors,
  type StoredTensor,
  saveCheckpoint,
  tfjs,
  writeSafetensors,
} from "../../src/checkpoint/index.js";
import { Adam, CheckpointError, LanewiseError, RMSProp } from "../../src/index.js";
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
  const begin = 8 + Number(new DataView(valid.buffer, valid.byteOffset).getBigUint64(0, true));
  const length = valid.length - begin;
  const otherData = fc.uint8Array({ minLength: length, maxLength: length });
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.tuple(fc.json(), fc.uint8Array({ maxLength: 20 })).map(([header, data]) => fileOf(header, data)),
    otherData.map((data) => Uint8Array.from([...valid.subarray(0, begin), ...data])),
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

// By structure: files are made from the grammar of the format, so that it is known which of them must be read, and as
// what, and which must be refused.

const BITS = {
  F32: 32,
  F64: 64,
  I8: 8,
  U8: 8,
  U16: 16,
  I64: 64,
  BOOL: 8,
  BF16: 16,
  C64: 64,
  F8_E4M3: 8,
  F6_E2M3: 6,
  F4: 4,
};
type FuzzDtype = keyof typeof BITS;

interface FuzzTensor {
  name: string;
  dtype: FuzzDtype;
  shape: number[];
}

/** Choices in how the same thing is written. */
interface Style {
  spaces: readonly string[];
  /** Which characters of a string are written as escapes. */
  escapes: number;
  /** In which order the three fields stand. */
  order: number;
}

const tensorOf: fc.Arbitrary<FuzzTensor> = fc
  .record({
    name: fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 6 }),
      fc.constantFrom("__proto__", "toString", "0", "10", "a/b", '"', "\\", "optimizer/x"),
    ),
    dtype: fc.constantFrom(...(Object.keys(BITS) as FuzzDtype[])),
    shape: fc.array(fc.nat(4), { maxLength: 3 }),
  })
  .map(({ shape, ...rest }) => ({ ...rest, shape: BITS[rest.dtype] < 8 ? [...shape, 4] : shape }));
const styleOf: fc.Arbitrary<Style> = fc.record({
  spaces: fc.array(fc.constantFrom("", "", " ", "\n", "\t", "\r\n  "), { minLength: 5, maxLength: 5 }),
  escapes: fc.nat(255),
  order: fc.nat(5),
});
const metadataOf = fc.option(
  fc.oneof(
    fc.constant(null),
    fc.dictionary(fc.string({ maxLength: 4 }), fc.string({ maxLength: 4 }), { noNullPrototype: true }),
  ),
  { nil: undefined },
);
const sizeIn = ({ dtype, shape }: FuzzTensor) => (shape.reduce((size, n) => size * n, 1) * BITS[dtype]) / 8;

/** JSON text of a string, some characters as escapes. */
function textOf(value: string, escapes: number): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  const units = Array.from(value, (character, i) =>
    (escapes >> (i % 8)) & 1
      ? Array.from({ length: character.length }, (_, k) => escaped(character[k]!)).join("")
      : JSON.stringify(character).slice(1, -1),
  );
  return `"${units.join("")}"`;
}

/** Rules of the grammar; a fault takes the place of one of them. */
const RULES = [
  "header",
  "colon",
  "comma",
  "entry",
  "dtype",
  "shape",
  "dimension",
  "offsets",
  "end",
  "name",
  "metadata",
  "tail",
] as const;
type Rule = (typeof RULES)[number];

/** What may not stand in a rule's place, whatever surrounds it. */
const FAULTS: Record<Rule, readonly string[]> = {
  header: ["[]", "null", "", "{", '{"x"', "\ufeff{}", "\0"],
  colon: ["", "=", ",", "::", ";"],
  comma: [" ", ";", ",,", ":", "]"],
  entry: ["null", "[]", "3", '"F32"', "{}", "[[]]", '{"dtype":{}}', '{"shape":[]}'],
  dtype: ["null", "3", "F32", '"F128"', '"f32"', '""', "{}", '["F32"]', '"\\ud800"'],
  shape: ["null", "3", "{}", '"[]"', "[,]", "[1,]", "[[1]]", "[1"],
  dimension: ["-1", "1.0", "1e0", "01", "-0", '"1"', "null", "18446744073709551616", "true", "+1", "NaN"],
  offsets: ["null", "[]", "[0]", "[0,0,0]", "{}", "0", "[4,0]"],
  end: ["-1", "1.5", "1e400", "null", '"4"', "9007199254740993"],
  name: ['"\\ud800"', '"\\udc00x"', '"\\x41"', '"\t"', "x", "'x'", '"\\u12"', "3", "null"],
  metadata: ["[]", "3", '"a"', '{"a":null}', '{"a":1}', '{"a":{}}', '{"a":"1","a":"2"}', "true"],
  tail: ["x", "}", ",", "\0", "{}", "\u00a0"],
};

/** A header, with `fault` in the place of the `at`-th use of its rule. */
function headerOf(
  tensors: readonly FuzzTensor[],
  metadata: object | null | undefined,
  style: Style,
  fault?: { rule: Rule; text: string; at: number },
) {
  const uses = Object.fromEntries(RULES.map((rule) => [rule, 0])) as Record<Rule, number>;
  let isFaulty = false;
  const use = (rule: Rule, text: string): string => {
    const isHere = fault?.rule === rule && uses[rule]++ === fault.at;
    isFaulty ||= isHere;
    return isHere ? fault.text : text;
  };
  const [a, b, c, d, e] = style.spaces as [string, string, string, string, string];
  const text = (value: string) => textOf(value, style.escapes);
  const join = (members: string[]) => members.reduce((left, right) => left + a + use("comma", ",") + b + right);
  const object = (members: [string, string][]) =>
    `{${c}${members.length === 0 ? "" : join(members.map(([key, value]) => key + d + use("colon", ":") + e + value))}${a}}`;
  let end = 0;
  const entries = tensors.map((tensor): [string, string] => {
    const begin = end;
    end += sizeIn(tensor);
    const dimensions = tensor.shape.map((n) => use("dimension", `${n}`));
    const fields: [string, string][] = [
      ['"dtype"', use("dtype", text(tensor.dtype))],
      ['"shape"', use("shape", `[${b}${dimensions.length === 0 ? "" : join(dimensions)}${c}]`)],
      ['"data_offsets"', use("offsets", `[${begin}${d}${use("comma", ",")}${use("end", `${end}`)}]`)],
    ];
    const [first] = fields.splice(style.order % 3, 1);
    if (style.order > 2) fields.reverse();
    return [use("name", text(tensor.name)), use("entry", object([...fields, first!]))];
  });
  if (metadata !== undefined) {
    const strings = Object.entries(metadata ?? {}).map(([key, value]): [string, string] => [text(key), text(value)]);
    entries.splice(style.order % (entries.length + 1), 0, [
      '"__metadata__"',
      use("metadata", metadata === null ? "null" : object(strings)),
    ]);
  }
  const header = use("header", a + object(entries)) + b + use("tail", "");
  return { header, isFaulty, length: end };
}

/** Files by the grammar: what is valid is read as it was written, what has one fault is refused. */
export function fuzzGrammar(numRuns: number): void {
  const seen = { valid: 0, faulty: 0 };
  const fault = fc
    .constantFrom(...RULES)
    .chain((rule) => fc.record({ rule: fc.constant(rule), text: fc.constantFrom(...FAULTS[rule]), at: fc.nat(5) }));
  const tensors = fc
    .uniqueArray(tensorOf, { maxLength: 5, selector: ({ name }) => name })
    .filter((list) => list.every(({ name }) => name !== "__metadata__" && !/\p{Surrogate}/u.test(name)));
  const metadata = metadataOf.filter((record) => !/\p{Surrogate}/u.test(Object.entries(record ?? {}).join()));
  fc.assert(
    fc.property(
      tensors,
      metadata,
      styleOf,
      fc.option(fault, { nil: undefined }),
      fc.nat(),
      (list, record, style, error, seed) => {
        const { header, isFaulty, length } = headerOf(list, record, style, error);
        const data = Uint8Array.from({ length }, (_, i) => (i * 37 + seed) % 256);
        const file = fileOf(header, data);
        if (isFaulty) {
          seen.faulty++;
          expect(() => readSafetensors(file), header).toThrow(CheckpointError);
          return;
        }
        seen.valid++;
        const read = readSafetensors(file);
        expect(read.metadata).toEqual(record ?? {});
        expect(new Set(read.tensors.keys())).toEqual(new Set(list.map(({ name }) => name)));
        let begin = 0;
        for (const tensor of list) {
          const { dtype, shape, data: found } = read.tensors.get(tensor.name)!;
          expect({ dtype, shape }).toEqual({ dtype: tensor.dtype, shape: tensor.shape });
          const end = begin + sizeIn(tensor);
          if (dtype !== "BF16") {
            expect(new Uint8Array(found.buffer, found.byteOffset, found.byteLength)).toEqual(data.slice(begin, end));
          }
          begin = end;
        }
      },
    ),
    { numRuns },
  );
  expect(seen.valid).toBeGreaterThan(numRuns / 5);
  expect(seen.faulty).toBeGreaterThan(numRuns / 5);
}

const anything = fc.oneof(
  fc.constantFrom<unknown>(null, 0, -0, -1, 1e308, 2 ** 53, "", "x", true, [], {}, [[]], { $: "NaN" }, { $: 1 }),
  fc.constantFrom<unknown>(
    { toString: 0 },
    { constructor: { name: { toString: 0 } } },
    { length: 2 },
    { __proto__: null },
  ),
  fc.jsonValue({ maxDepth: 2 }),
);

/** A copy of plain data, in which the `at`-th of all its values, itself among them, is another. */
function replaced(tree: unknown, at: number, value: unknown): unknown {
  let count = 0;
  const sizeOf = (node: unknown): number =>
    typeof node === "object" && node !== null
      ? Object.values(node).reduce((sum: number, member) => sum + sizeOf(member), 1)
      : 1;
  const place = at % sizeOf(tree);
  const visit = (node: unknown): unknown => {
    if (count++ === place) return value;
    if (typeof node !== "object" || node === null) return node;
    if (Array.isArray(node)) return node.map(visit);
    return Object.fromEntries(Object.entries(node).map(([key, member]) => [key, visit(member)]));
  };
  return visit(tree);
}

/** Tensors of a file, of which some are gone, renamed, or of another shape or dtype. */
const tensorFaults = fc.array(
  fc.tuple(fc.nat(30), fc.constantFrom("gone", "renamed", "longer", "F64", "I64", "F8_E4M3")),
  { maxLength: 2 },
);

function faulty(
  tensors: ReadonlyMap<string, StoredTensor>,
  faults: readonly [number, string][],
): Map<string, StoredTensor> {
  const entries = [...tensors];
  for (const [at, fault] of faults) {
    if (entries.length === 0) break;
    const place = at % entries.length;
    const [name, { shape, data }] = entries[place]!;
    const size = data.length;
    if (fault === "gone") entries.splice(place, 1);
    else if (fault === "renamed") entries[place] = [`${name}x`, { shape, data }];
    else if (fault === "longer") entries[place] = [name, { shape: [size + 1], data: new Float32Array(size + 1) }];
    else if (fault === "F64") entries[place] = [name, { shape, dtype: "F64", data: new Float64Array(size) }];
    else if (fault === "I64") entries[place] = [name, { shape, dtype: "I64", data: new BigInt64Array(size) }];
    else entries[place] = [name, { shape, dtype: fault, data: new Uint8Array(size) }];
  }
  return new Map(entries);
}

/** Metadata and tensors of checkpoints and of frameworks' files, changed by their structure. */
export function fuzzStructure(numRuns: number): void {
  const core = makeCore("js");
  const parameters = { w: core.tensor([2, 3], randomValues(6, 1)), b: randomValues(2, 2) };
  const optimizer = new RMSProp(core, parameters, { momentum: 0.9, centered: true });
  optimizer.step({ w: randomValues(6, 3), b: randomValues(2, 4) });
  const saved = readSafetensors(saveCheckpoint({ parameters, optimizer }));
  const about: unknown = JSON.parse(saved.metadata.lanewise!);
  const changes = fc.array(fc.tuple(fc.nat(60), anything), { maxLength: 3 });
  const change = (tree: unknown, list: readonly (readonly [number, unknown])[]) =>
    JSON.stringify(list.reduce((node: unknown, [at, value]) => replaced(node, at, value), tree)) ?? "null";
  const seen = { loaded: 0, refused: 0, imported: 0, notImported: 0 };
  fc.assert(
    fc.property(changes, tensorFaults, fc.boolean(), (list, faults, strict) => {
      const file = { tensors: faulty(saved.tensors, faults), metadata: { lanewise: change(about, list) } };
      const memory = snapshot(core);
      const bias = parameters.b.slice();
      const state = optimizer.state();
      try {
        loadCheckpoint(file, { parameters, optimizer }, { strict });
        seen.loaded++;
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error;
        expect(error.message.length).toBeLessThan(600);
        expect(snapshot(core).equals(memory)).toBe(true);
        expectSameBits(parameters.b, bias, "b");
        expect(optimizer.state()).toEqual(state);
        seen.refused++;
      }
    }),
    { numRuns },
  );

  const frameworks = [
    ...[
      [pytorch, "pytorch"],
      [keras3, "keras3"],
      [optax, "optax"],
      [tfjs, "tfjs"],
    ].map(([layout, dialect]) => ({
      layout: layout as typeof pytorch,
      optimizer: new RMSProp(core, parameters, { dialect: dialect as "pytorch", momentum: 0.9 }),
    })),
    { layout: pytorch, optimizer: new Adam(core, parameters) },
  ].map(({ layout, optimizer: source }) => {
    source.step({ w: randomValues(6, 3), b: randomValues(2, 4) });
    return { layout, file: layout.export({ parameters, optimizer: source }) };
  });
  fc.assert(
    fc.property(fc.constantFrom(...frameworks), changes, tensorFaults, ({ layout, file }, list, faults) => {
      const metadata = Object.fromEntries(
        Object.entries(file.metadata).map(([key, text]) => [
          key,
          text.startsWith("{") || text.startsWith("[") ? change(JSON.parse(text), list) : text,
        ]),
      );
      const changed: Safetensors = { tensors: faulty(file.tensors, faults), metadata };
      try {
        layout.import(changed, parameters);
        seen.imported++;
      } catch (error) {
        if (!(error instanceof LanewiseError)) throw error;
        expect(error.message.length).toBeLessThan(600);
        seen.notImported++;
      }
    }),
    { numRuns },
  );
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(numRuns / 20);
}

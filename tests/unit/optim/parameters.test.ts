import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { createCoreSync } from "../../../src/entry/inline.js";
import { DisposedError, OptionError } from "../../../src/errors.js";
import { RMSProp } from "../../../src/optim/rmsprop.js";
import { SGD } from "../../../src/optim/sgd.js";

const core = createCoreSync();
const vector = (length = 3) => new Float32Array(length).fill(1);

/** Makes an optimizer for anything at all, as JavaScript could. */
const make = (params: unknown) => new RMSProp(core, params as Float32Array);

describe("parameters of an optimizer", () => {
  it.each([
    ["a tensor", () => core.tensor([2, 3]), ["0"]],
    ["an array", () => vector(), ["0"]],
    ["a list", () => [core.tensor([2]), vector()], ["0", "1"]],
    ["a record", () => ({ weight: core.tensor([2, 2]), bias: vector() }), ["weight", "bias"]],
    [
      "groups of each",
      () => [{ params: vector() }, { params: [vector(), vector()] }, { params: { w: vector() } }],
      ["0", "1", "2", "w"],
    ],
    ["tensors of zero elements", () => [core.tensor([0]), core.tensor([3, 0]), new Float32Array(0)], ["0", "1", "2"]],
    [
      "a record whose keys mean something elsewhere",
      () => JSON.parse('{"__proto__":0,"constructor":0,"params":0}', (key, value) => (key ? vector() : value)),
      ["__proto__", "constructor", "params"],
    ],
  ])("%s", (_, params, names) => {
    const before = core.memory.bytesInUse;
    const optimizer = make(params());
    expect(Object.keys(optimizer.state().parameters)).toEqual(names);
    expect(optimizer.iterations).toBe(0);
    optimizer.dispose();
    expect(core.memory.bytesInUse - before).toBeLessThanOrEqual(64 * 2); // the tensors made here
  });

  it("takes arrays of another realm, and views of a part of a buffer", () => {
    const foreign = runInNewContext("new Float32Array([1, 2])") as Float32Array;
    const whole = new Float32Array(10);
    const optimizer = make([foreign, whole.subarray(0, 4), whole.subarray(4, 8)]);
    optimizer.step([runInNewContext("new Float32Array([1, 1])") as Float32Array, vector(4)]);
    expect(foreign[0]).toBeLessThan(1);
    expect([...whole.subarray(4)]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  const shared = vector(8);
  const tensor = core.tensor([2]);
  const gone = core.tensor([2]);
  gone.dispose();
  const other = createCoreSync().tensor([2]);
  it.each([
    ["nothing", undefined, "params is undefined"],
    ["null", null, "params is null"],
    ["a number", 5, "params is 5"],
    ["a Float64Array", new Float64Array(2), "params is Float64Array(2)"],
    ["an empty list", [], "params is empty"],
    ["an empty record", {}, "params is empty"],
    ["an empty group", [{ params: [] }], "params[0].params is empty"],
    ["a Map", new Map(), "params is Map"],
    ["a list with a number", [vector(), 7], "params[1] is 7"],
    ["a list with a hole", Object.assign(new Array(2), { 0: vector() }), "params[1] is undefined"],
    ["groups with a hole", Object.assign(new Array(2), { 0: { params: vector() } }), "params[1] is undefined"],
    ["a record with an array of numbers", { w: [1, 2] }, "params.w is Array(2)"],
    ["a group among arrays", [vector(), { params: vector() }], "params[0] is Float32Array(3), expected a group"],
    [
      "a group with a wrong member",
      [{ params: { w: vector() } }, { params: [vector(), "x"] }],
      'params[1].params[1] is "x"',
    ],
    ["the same tensor twice", [tensor, tensor], "params[1] is the same parameter as params[0]"],
    [
      "the same array twice",
      [{ params: { a: shared } }, { params: { b: shared } }],
      "params[1].params.b is the same parameter as params[0].params.a",
    ],
    ["overlapping arrays", { a: shared.subarray(3), b: shared.subarray(0, 4) }, "params.a overlaps params.b"],
    [
      "two of a name",
      [{ params: { w: vector() } }, { params: { w: vector() } }],
      'params[1].params.w has the name "w"',
    ],
    ["an index as a name", [{ params: { 1: vector() } }, { params: vector() }], 'params[1].params has the name "1"'],
    ["a tensor of another core", { w: other }, "params.w is a tensor of another core"],
    ["a view of the core's memory", [tensor.data], "params[0] is a view of the core's memory"],
  ])("refuses %s", (_, params, message) => {
    const before = core.memory.bytesInUse;
    expect(() => make(params)).toThrow(OptionError);
    expect(() => make(params)).toThrow(message);
    expect(core.memory.bytesInUse).toBe(before);
  });

  it("refuses a tensor that was disposed of, and a core that is none or was", () => {
    expect(() => make({ w: gone })).toThrow(DisposedError);
    expect(() => make({ w: gone })).toThrow("params.w of shape [2]");
    expect(() => new SGD({} as typeof core, vector())).toThrow("core is Object, expected a Core");
    const dead = createCoreSync();
    dead.dispose();
    expect(() => new SGD(dead, vector())).toThrow(DisposedError);
  });

  it("gives back what it took when memory runs out", () => {
    const small = createCoreSync({ memory: { initialBytes: 65536, maximumBytes: 131072 } });
    const w = small.tensor([10000]);
    const before = small.memory.bytesInUse;
    expect(() => new RMSProp(small, w, { momentum: 0.9, centered: true })).toThrow("linear memory cannot grow");
    expect(small.memory.bytesInUse).toBe(before);
    const optimizer = new RMSProp(small, w);
    optimizer.step(null);
  });
});

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadCheckpoint, readSafetensors, saveCheckpoint, writeSafetensors } from "../../../src/checkpoint/index.js";
import { CheckpointError, OptionError } from "../../../src/index.js";

const files = JSON.parse(readFileSync(new URL("reference/foreign.json", import.meta.url), "utf8"));

describe("a file of another kind is named:", () => {
  it.each<[string, RegExp]>([
    ["npy", /the bytes 93 4e 55 4d: a NumPy array/],
    ["npz", /begins with "PK": a zip archive, such as a .keras, .npz or PyTorch file; load it/],
    ["torch", /a zip archive/],
    ["torch, legacy", /the bytes 80 02 .*: a Python pickle, such as an old PyTorch file/],
    ["pickle 2", /a Python pickle/],
    ["pickle 3", /a Python pickle/],
    ["pickle 4", /a Python pickle/],
    ["pickle 5", /a Python pickle/],
    ["gzip", /the bytes 1f 8b 08 00: a gzip archive; decompress/],
    ["hdf5", /the bytes 89 48 44 46: an HDF5 file, such as Keras's .h5/],
    ["html", /begins with "<!DOCTYPE html>": an HTML page, such as a server's error; check the URL/],
    ["html, small letters", /"<!doctype html><html><bo": an HTML page/],
    ["html, indented", /"<html><body>Service unav": an HTML page/],
    ["xml", /XML or HTML/],
    ["json", /: JSON; check the URL/],
    ["json, a list", /: JSON/],
    ["json, with a byte order mark", /: JSON/],
    ["git-lfs", /"version https:\/\/git-lfs\.": a git-lfs pointer; fetch the file itself/],
    ["base64", /begins with "QUFBQUFBQUFBQUFBQUFBQUFB": text/],
    ["plain text", /begins with "Access to this resource ": text/],
  ])("%s", (name, message) => {
    const bytes = new Uint8Array(Buffer.from(files[name], "hex"));
    expect(bytes.length).toBeGreaterThan(15);
    const read = () => readSafetensors(bytes);
    expect(read).toThrow(CheckpointError);
    expect(read).toThrow(/^safetensors: this is not a safetensors file: it begins with /);
    expect(read).toThrow(message);
  });

  it("text of short lines", () => {
    const csv = new Uint8Array(Buffer.from("a,b\n1,2\n3,4\n5,6\n7,8\n9,10\n"));
    expect(() => readSafetensors(csv)).toThrow(/begins with "a,b\\n1,2\\n3,4\\n5,6\\n7,8\\n9,10": text$/);
  });

  it("all of them", () => expect(Object.keys(files).length).toBe(20));
});

describe("messages are short", () => {
  const long = "x".repeat(2_000_000);
  const header = (text: string) => {
    const bytes = new Uint8Array(8 + text.length + 4);
    new DataView(bytes.buffer).setUint32(0, text.length, true);
    bytes.set(Buffer.from(text), 8);
    return bytes;
  };
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`parameter ${i}`, new Float32Array(1)]));
  it.each<[string, () => unknown]>([
    ["a text of 2 MB", () => readSafetensors(new Uint8Array(Buffer.from(long)))],
    ["a name", () => readSafetensors(header(`{"${long}":3}`))],
    ["a key", () => readSafetensors(header(`{"x":{"${long}":3}}`))],
    ["a dtype", () => readSafetensors(header(`{"x":{"dtype":"${long}","shape":[1],"data_offsets":[0,4]}}`))],
    [
      "a shape",
      () => readSafetensors(header(`{"x":{"dtype":"F32","shape":[${"1,".repeat(9999)}2],"data_offsets":[0,4]}}`)),
    ],
    [
      "offsets",
      () => readSafetensors(header(`{"x":{"dtype":"F32","shape":[1],"data_offsets":[${"1,".repeat(9999)}2]}}`)),
    ],
    [
      "a missing parameter",
      () => loadCheckpoint(saveCheckpoint({ parameters: {} }), { parameters: { [long]: new Float32Array(1) } }),
    ],
    [
      "an unknown one",
      () => loadCheckpoint(saveCheckpoint({ parameters: { [long]: new Float32Array(1) } }), { parameters: many }),
    ],
    ["bytes that are text", () => readSafetensors(long as never)],
    ["metadata", () => saveCheckpoint({ parameters: {}, metadata: { a: [long] } as never })],
    [
      "JSON",
      () => loadCheckpoint({ tensors: new Map(), metadata: { lanewise: `{"format":"${long}"}` } }, { parameters: {} }),
    ],
    ["no JSON", () => loadCheckpoint({ tensors: new Map(), metadata: { lanewise: long } }, { parameters: {} })],
  ])("about %s", (_, act) => {
    let message = "";
    try {
      act();
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).not.toBe("");
    expect(message.length).toBeLessThan(500);
  });
});

describe("a runtime that lacks something", () => {
  const parameters = { "größe 🜁": Float32Array.of(1, 2, 3) };
  it("reads and writes without TextEncoder and TextDecoder", () => {
    const { TextDecoder, TextEncoder } = globalThis;
    const before = saveCheckpoint({ parameters });
    let after: Uint8Array;
    try {
      Object.assign(globalThis, { TextDecoder: undefined, TextEncoder: undefined });
      after = saveCheckpoint({ parameters });
      loadCheckpoint(after, { parameters });
    } finally {
      Object.assign(globalThis, { TextDecoder, TextEncoder });
    }
    expect(after).toEqual(before);
  });

  it("reads views of shared memory, and Node's Buffers", () => {
    const file = saveCheckpoint({ parameters });
    const shared = new Uint8Array(new SharedArrayBuffer(file.length + 3), 3);
    shared.set(file);
    for (const bytes of [shared, Buffer.from(file)]) {
      expect(readSafetensors(bytes).tensors.get("größe 🜁")!.data).toEqual(Float32Array.of(1, 2, 3));
    }
  });

  it("hands the bytes of 64-bit integers out where there are no such arrays", () => {
    const file = writeSafetensors([["x", { shape: [1], data: [5], dtype: "I64" }]]);
    const arrays = globalThis as { BigInt64Array?: unknown };
    const present = arrays.BigInt64Array;
    try {
      arrays.BigInt64Array = undefined;
      const data = Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0);
      expect(readSafetensors(file).tensors.get("x")).toEqual({ dtype: "I64", shape: [1], data });
    } finally {
      arrays.BigInt64Array = present;
    }
  });
});

describe("a value that pretends", () => {
  it.each<[string, object]>([
    ["to be of another copy, with a pattern for a name", { lanewiseClass: "((" }],
    ["to be made by something", { constructor: { name: "x".repeat(1_000_000) } }],
    ["to have a name that is no text", { constructor: { name: { toString: 0 } } }],
  ])("%s gives an OptionError that is short", (_, value) => {
    const write = () => saveCheckpoint({ parameters: { w: value } } as never);
    expect(write).toThrow(OptionError);
    expect(write).toThrow(/^parameters\.w is .{1,70}, expected a Tensor or Float32Array$/);
  });
});

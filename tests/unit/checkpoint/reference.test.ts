import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readSafetensors, writeSafetensors } from "../../../src/checkpoint/index.js";
import { CheckpointError } from "../../../src/index.js";

// What the reference implementation says of files, written down by reference/make.py.

interface Verdict {
  file: string;
  error?: string;
  tensors?: [name: string, dtype: string, shape: number[], hex: string][];
  metadata?: Record<string, string>;
}
const { version, cases, written } = JSON.parse(
  readFileSync(new URL("reference/reference.json", import.meta.url), "utf8"),
) as { version: string; cases: (Verdict & { name: string; stricter?: string })[]; written: Verdict[] };

const bytesOf = ({ file }: Verdict) => new Uint8Array(Buffer.from(file, "base64"));
/** Read by Lanewise, and written again, so that the bytes of each tensor can be compared. */
function read(bytes: Uint8Array) {
  const { tensors, metadata } = readSafetensors(bytes);
  const found = Array.from(tensors, ([name, { dtype, shape, data }]) => {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    const [begin, end] = header[name].data_offsets.map((offset: number) => 8 + length + offset);
    const stored = bytes.slice(begin, end);
    const isWidened = dtype === "F16" || dtype === "BF16";
    if (!isWidened) expect(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)).toEqual(stored);
    return [name, dtype, shape, Buffer.from(stored).toString("hex")] as const;
  });
  return { tensors: found.sort(([a], [b]) => (a < b ? -1 : 1)), metadata };
}
const sorted = ({ tensors, metadata }: Verdict) => ({
  tensors: tensors!.sort(([a], [b]) => (a < b ? -1 : 1)),
  metadata,
});

describe(`files that safetensors ${version} has judged`, () => {
  it("are of every kind", () => {
    expect(version).toBe("0.8.0");
    expect(cases.filter(({ error }) => error).length).toBeGreaterThan(300);
    expect(cases.filter(({ error, stricter }) => !error && !stricter).length).toBeGreaterThan(150);
    expect([...new Set(cases.flatMap(({ stricter }) => stricter ?? []))].sort()).toEqual([
      "a dimension above 2^53 - 1",
      "a name twice",
      "an entry of another form",
    ]);
  });

  it.each(cases.map((verdict) => [verdict.name, verdict] as const))("%s", (_, verdict) => {
    if (verdict.error !== undefined || verdict.stricter !== undefined) {
      expect(() => readSafetensors(bytesOf(verdict))).toThrow(CheckpointError);
    } else expect(read(bytesOf(verdict))).toEqual(sorted(verdict));
  });
});

describe("what Lanewise writes", () => {
  it("is read by the reference, and by Lanewise, as the same tensors", () => {
    expect(written.length).toBe(3);
    for (const verdict of written) expect(read(bytesOf(verdict))).toEqual(sorted(verdict));
  });

  it("is what the reference has read, with canonical NaN, and 16-bit floats rounded to even", () => {
    const { tensors } = written[2]!;
    const hexOf = (name: string) => tensors!.find(([key]) => key === name)![3];
    expect(hexOf("a/ö 🜁")).toBe("0000803f0000c07f000000800000807f");
    expect(hexOf("double")).toBe("000000000000f87f");
    expect(hexOf("half")).toBe("003c" + "007c" + "0000" + "0280" + "007e");
    expect(hexOf("brain")).toBe("803f" + "807f" + "c07f");
    expect(hexOf("labels")).toBe("0000000000000000ffffffffffffffffffffffffffff1f00");
    expect(hexOf("big")).toBe("ffffffffffffffff");
    expect(hexOf("flags")).toBe("0100");
  });

  it("comes out again as the same bytes", () => {
    for (const verdict of written) {
      const { tensors, metadata } = readSafetensors(bytesOf(verdict));
      expect(writeSafetensors(tensors, metadata)).toEqual(bytesOf(verdict));
    }
  });
});

import { fromHalf } from "../../checkpoint/float16.js";
import { checkList, checkRecord, checkString } from "../../checkpoint/json.js";
import type { Safetensors, StoredTensor } from "../../checkpoint/safetensors.js";
import { describe, quote } from "../../checks.js";
import { CheckpointError } from "../../errors.js";
import { sizeOf } from "../../tensor.js";
import { checkShape } from "../model-file/architecture.js";

/** Bytes of an element as it is stored. */
const BYTES: Readonly<Record<string, number>> = { float32: 4, float16: 2, uint16: 2, uint8: 1 };

/** The weights that the bytes are: float32, or quantized to float16, or to integers with scale and minimum. */
export function readWeights(manifest: unknown, shards: readonly Uint8Array[]): Safetensors["tensors"] {
  const bytes = new Uint8Array(shards.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const shard of shards) {
    bytes.set(shard, at);
    at += shard.length;
  }
  const tensors = new Map<string, StoredTensor>();
  let begin = 0;
  for (const [i, group] of checkList("weightsManifest", manifest).entries()) {
    const specs = checkList(`weightsManifest[${i}].weights`, checkRecord(`weightsManifest[${i}]`, group).weights);
    for (const [k, each] of specs.entries()) {
      const path = `weightsManifest[${i}].weights[${k}]`;
      const spec = checkRecord(path, each);
      const name = checkString(`${path}.name`, spec.name);
      if (tensors.has(name)) throw new CheckpointError(`${path}.name is ${quote(name)}, as another weight's is`);
      checkShape(`${path}.shape`, spec.shape);
      const shape = spec.shape as number[];
      const { dtype, scale, min } = quantizationOf(path, spec);
      const [size, width] = [sizeOf(shape), BYTES[dtype]!];
      const end = begin + size * width;
      if (end > bytes.length) {
        throw new CheckpointError(`weight ${quote(name)} ends at byte ${end}, but the weights have ${bytes.length}`);
      }
      const view = new DataView(bytes.buffer, begin, end - begin);
      const element = (n: number): number => {
        if (dtype === "float32") return view.getFloat32(4 * n, true);
        if (dtype === "float16") return fromHalf(view.getUint16(2 * n, true));
        return (dtype === "uint8" ? view.getUint8(n) : view.getUint16(2 * n, true)) * scale + min;
      };
      tensors.set(name, { shape, data: Float32Array.from({ length: size }, (_, n) => element(n)), dtype: "F32" });
      begin = end;
    }
  }
  if (begin === bytes.length) return tensors;
  throw new CheckpointError(`the weights have ${bytes.length} bytes, expected ${begin} as weightsManifest says`);
}

function quantizationOf(path: string, spec: Record<string, unknown>): { dtype: string; scale: number; min: number } {
  if (spec.dtype !== "float32")
    throw new CheckpointError(`${path}.dtype is ${describe(spec.dtype)}, expected "float32"`);
  if (spec.quantization === undefined) return { dtype: "float32", scale: 1, min: 0 };
  const { dtype, scale = 1, min = 0 } = checkRecord(`${path}.quantization`, spec.quantization);
  if (typeof dtype !== "string" || dtype === "float32" || !Object.hasOwn(BYTES, dtype)) {
    throw new CheckpointError(
      `${path}.quantization.dtype is ${describe(dtype)}, expected "uint8", "uint16" or "float16"`,
    );
  }
  if (!Number.isFinite(scale) || !Number.isFinite(min)) {
    throw new CheckpointError(
      `${path}.quantization has scale ${describe(scale)} and min ${describe(min)}, expected numbers`,
    );
  }
  return { dtype, scale: scale as number, min: min as number };
}

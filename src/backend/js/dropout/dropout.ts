import type { DropoutKernels } from "../../families/dropout.js";
import type { Views } from "../views.js";

function mix(x: number, key: number): number {
  let bits = Math.imul(x ^ (x >>> 17), 0xed5ad4bb);
  bits = (bits ^ (bits >>> 11)) + key;
  bits = Math.imul(bits, 0xac4c1b51);
  bits = Math.imul(bits ^ (bits >>> 15), 0x31848bab);
  return bits ^ (bits >>> 14);
}

/** The JavaScript implementation of assembly/dropout/dropout.ts. */
export function dropoutKernels(views: Views): DropoutKernels {
  return {
    dropout_f32(count, xPtr, yPtr, seed, threshold, scale) {
      const { f32 } = views;
      const x = xPtr >>> 2;
      const y = yPtr >>> 2;
      const key = mix(seed, 0);
      const smallest = threshold >>> 0;
      const factor = Math.fround(scale);
      for (let i = 0; i < count; i++) {
        f32[y + i] = mix(i, key) >>> 0 >= smallest ? f32[x + i]! * factor : 0; // the store rounds
      }
    },
  };
}

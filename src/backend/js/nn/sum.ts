import type { NetworkKernels } from "../../families/nn.js";
import type { Views } from "../views.js";

/** The JavaScript implementation of add_f32 and scale_f32 in assembly/reduce/binary.ts. The stores round. */
export function sumKernels(views: Views): Pick<NetworkKernels, "add_f32" | "scale_f32"> {
  return {
    add_f32(count, aPtr, bPtr, yPtr) {
      const { f32 } = views;
      const a = aPtr >>> 2;
      const b = bPtr >>> 2;
      const y = yPtr >>> 2;
      for (let i = 0; i < count; i++) f32[y + i] = f32[a + i]! + f32[b + i]!;
    },
    scale_f32(count, factor, xPtr, yPtr) {
      const { f32 } = views;
      const rounded = Math.fround(factor);
      const x = xPtr >>> 2;
      const y = yPtr >>> 2;
      for (let i = 0; i < count; i++) f32[y + i] = f32[x + i]! * rounded;
    },
  };
}

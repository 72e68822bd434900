import type { NetworkKernels } from "../../backend.js";
import type { Views } from "../views.js";

/** Twin of assembly/nn/column-sums.ts. */
export function columnSumsKernels(views: Views): Pick<NetworkKernels, "column_sums_f32"> {
  return {
    column_sums_f32(rows, columns, xPtr, outPtr) {
      const { f32 } = views;
      const out = outPtr >>> 2;
      let x = xPtr >>> 2;
      f32.fill(0, out, out + columns);
      for (let i = 0; i < rows; i++, x += columns) {
        for (let j = 0; j < columns; j++) f32[out + j] = f32[out + j]! + f32[x + j]!; // the store rounds
      }
    },
  };
}

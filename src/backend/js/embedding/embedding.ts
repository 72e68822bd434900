import type { EmbeddingKernels } from "../../families/embedding.js";
import type { Views } from "../views.js";

/** The JavaScript implementation of assembly/embedding/embedding.ts. */
export function embeddingKernels(views: Views): EmbeddingKernels {
  /** Index number `i`; −1 if it is no integer from 0 to rows − 1. */
  function indexAt(indicesPtr: number, i: number, areIntegers: number, rows: number): number {
    const { f32, i32 } = views;
    const at = (indicesPtr >>> 2) + i;
    const index = areIntegers ? i32[at]! : f32[at]!;
    return Number.isInteger(index) && index >= 0 && index < rows ? index : -1;
  }

  function addRow(columns: number, x: number, y: number): void {
    const { f32 } = views;
    for (let j = 0; j < columns; j++) f32[y + j] = f32[y + j]! + f32[x + j]!; // the store rounds
  }

  return {
    check_indices(count, rows, indicesPtr, areIntegers) {
      for (let i = 0; i < count; i++) if (indexAt(indicesPtr, i, areIntegers, rows) < 0) return i;
      return -1;
    },
    gather_f32(outer, count, inner, rows, indicesPtr, areIntegers, xPtr, yPtr, yStride) {
      const { f32, i32 } = views;
      for (let o = 0; o < outer; o++) {
        for (let i = 0; i < count; i++) {
          const index = indexAt(indicesPtr, i, areIntegers, rows);
          const y = (yPtr >>> 2) + o * yStride + i * inner;
          const x = (xPtr >>> 2) + (o * rows + index) * inner;
          if (index < 0) f32.fill(Number.NaN, y, y + inner);
          else i32.copyWithin(y, x, x + inner);
        }
      }
    },
    scatter_add_f32(count, columns, rows, stride, indicesPtr, areIntegers, accumulate, xPtr, yPtr) {
      const { f32 } = views;
      const y = yPtr >>> 2;
      if (!accumulate) for (let i = 0; i < rows; i++) f32.fill(0, y + i * stride, y + i * stride + columns);
      for (let i = 0; i < count; i++) {
        const index = indexAt(indicesPtr, i, areIntegers, rows);
        if (index >= 0) addRow(columns, (xPtr >>> 2) + i * stride, y + index * stride);
      }
    },
    collect_rows_f32(count, columns, rows, indicesPtr, areIntegers, xPtr, touchedPtr, sumsPtr, scratchPtr) {
      const { i32 } = views;
      const touchedAt = touchedPtr >>> 2;
      let touched = 0;
      for (let i = 0; i < count; i++) {
        const index = indexAt(indicesPtr, i, areIntegers, rows);
        if (index < 0) continue;
        const place = (scratchPtr >>> 2) + index;
        const known = i32[place]!;
        const x = (xPtr >>> 2) + i * columns;
        if (known >= 0 && known < touched && i32[touchedAt + known] === index) {
          addRow(columns, x, (sumsPtr >>> 2) + known * columns);
          continue;
        }
        i32[place] = touched;
        i32[touchedAt + touched] = index;
        i32.copyWithin((sumsPtr >>> 2) + touched * columns, x, x + columns);
        touched++;
      }
      return touched;
    },
  };
}

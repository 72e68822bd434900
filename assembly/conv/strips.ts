import { NR } from "../gemm/config";

/**
 * Columns of the strip that begins at column j: a tile's, or the least number of vectors for what is left. Such a strip
 * begins further left, where there is room; where there is none, before it comes one that fits.
 */
export function widthAt(columns: usize, j: usize): usize {
  const left = columns - j;
  if (left >= NR) return NR;
  const width: usize = left <= 4 ? 4 : NR == 16 && left <= 8 ? 8 : NR;
  if (left + j >= width) return width;
  return NR == 16 && left >= 8 ? 8 : 4;
}

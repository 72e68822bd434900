import { ROWS } from "./product";

/**
 * Bytes of scratch that a call over `count` rows needs: `gates` is 4 for LSTM, 3 for GRU, 1 for a simple RNN. Large
 * enough for every tile, so that all binaries and the JavaScript kernels say the same.
 *
 * Memory: | constants | packed U | packed rows | sums and gradients of the rows | first steps that a mask keeps |.
 */
export function recurrent_scratch_bytes(count: usize, units: usize, gates: usize): usize {
  const rows = min(count, ROWS);
  const padded = (units + 15) & ~15;
  const packed = gates * units * (padded + rows + 6);
  const sums = rows * (gates * units + (gates + 2) * padded) + 2 * count * padded;
  return 128 + 4 * (packed + sums + units + count);
}

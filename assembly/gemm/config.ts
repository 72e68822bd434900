// Tile and blocks. `WIDE` is set by the target in asconfig.json: 1 where V8 may pair neighboring vectors.
// docs/decisions/0006-tiles-and-paths.md has the measurements behind these numbers.

// @ts-ignore: decorator
@inline const RELAXED: bool = ASC_FEATURE_RELAXED_SIMD;
/** Rows of a register tile: six only where multiply-add is one instruction, whose product needs no register. */
export const MR: usize = RELAXED && !WIDE ? 6 : 4;
/** Vectors of columns in a register tile. */
export const NV: usize = WIDE ? 4 : 2;
/** Columns of a register tile. */
export const NR: usize = NV * 4;
/** Depth of a block: a B panel (KC × NR) is 16 KiB and stays in L1; in wide binaries it has 32 and comes from L2. */
export const KC: usize = 512;
/** Rows of an A block (MC × KC): it stays in L2. */
export const MC: usize = 96;
/** Columns of a B block (KC × NC): it stays in L3. */
export const NC: usize = 1024;

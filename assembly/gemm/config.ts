/** Rows of a register tile. */
export const MR: usize = 4;
/** Columns of a register tile: two vectors. */
export const NR: usize = 8;
/** Depth of a block: a B panel (KC × NR) stays in L1. */
export const KC: usize = 512;
/** Rows of an A block (MC × KC): it stays in L2. */
export const MC: usize = 96;
/** Columns of a B block (KC × NC): it stays in L3. */
export const NC: usize = 1024;

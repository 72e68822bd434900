// Kinds of step tables, by the arrays that a call writes: what threads keep copies of (assembly/threads/copies.ts).

/** A step: the parameter, its state arrays and its average. */
export const TABLE_STEP = 0;
/** A step whose first two state arrays have a number for each row and for each column of the parameter's matrices. */
export const TABLE_FACTORED = 1;
/** An accumulation: the sum of the gradients. */
export const TABLE_ACCUMULATE = 2;

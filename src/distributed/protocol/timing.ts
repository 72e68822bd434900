import { checkInteger } from "../../checks.js";
import { OptionError } from "../../errors.js";
import type { Timing } from "./environment.js";

/** How patient members are, and how often they store and compare. */
export interface TimingOptions {
  /** Milliseconds after which a silent member loses its blocks, and a silent leader its office. Default 3000. */
  lease?: number;
  /** Steps between two checkpoints. Default 100. */
  checkpointEvery?: number;
  /** Steps between two comparisons of all members' parameters. Default 10. */
  compareEvery?: number;
  /** Members that must be there before a run makes its first step, this one included. Default 1. */
  startWith?: number;
}

/** Bytes of sums that a member keeps for those that are behind. */
const REMEMBERED_BYTES = 64 * 1024 * 1024;

/** @param length float32 values of a sum */
export function readTiming(options: TimingOptions, length: number): Timing {
  const { lease = 3000, checkpointEvery = 100, compareEvery = 10, startWith = 1 } = options;
  checkInteger("lease", lease, 30, 2 ** 31 - 1);
  checkInteger("checkpointEvery", checkpointEvery, 1);
  checkInteger("compareEvery", compareEvery, 1);
  checkInteger("startWith", startWith, 1);
  if (!Number.isInteger(length) || length < 0) throw new OptionError(`length is ${length}, expected an integer >= 0`);
  const remembered = Math.max(2, Math.min(64, Math.floor(REMEMBERED_BYTES / (4 * length + 1))));
  return { lease, beat: lease / 6, checkpointEvery, compareEvery, startWith, remembered };
}

// Ratios of times that were measured in pairs, and how far they can be trusted.
import { median, quantile, sampleWithReplacement } from "simple-statistics";
import { Random } from "../../src/random.js";

/** Milliseconds of one run on either side, measured one after the other. */
export interface Pair {
  readonly old: number;
  readonly new: number;
}

/** How many times as fast the new build is, with the bounds of the interval that covers 95 %. */
export interface Estimate {
  readonly ratio: number;
  readonly lower: number;
  readonly upper: number;
}

const RESAMPLES = 2000;

/**
 * The median ratio of all pairs. The interval is the percentile bootstrap's over rounds, and over the pairs within each
 * drawn round: pairs of one round share their processes, and so what those have in common.
 *
 * @param rounds for each round the pairs that were measured in it
 * @see Davison & Hinkley, "Bootstrap Methods and their Application" (1997), 3.8
 */
export function estimate(rounds: readonly (readonly Pair[])[]): Estimate {
  const random = new Random(1);
  const source = () => random.uniform();
  const ratios = rounds.map((pairs) => pairs.map(({ old, new: now }) => old / now));
  const resampled = Array.from({ length: RESAMPLES }, () => {
    const drawn = sampleWithReplacement(ratios, ratios.length, source);
    return median(drawn.flatMap((round) => sampleWithReplacement(round, round.length, source)));
  });
  const [lower, upper] = quantile(resampled, [0.025, 0.975]) as [number, number];
  return { ratio: median(ratios.flat()), lower, upper };
}

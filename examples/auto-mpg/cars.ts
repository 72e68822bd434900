import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Random } from "lanewise/nn";

const require = createRequire(import.meta.url);

/** What a car is described by. */
export const FEATURES = ["Cylinders", "Displacement", "Horsepower", "Weight_in_lbs", "Acceleration", "Year"];
const TARGET = "Miles_per_Gallon";

export interface Cars {
  readonly count: number;
  /** The features of each car, one car after the other; each feature has mean 0 and standard deviation 1. */
  readonly x: Float32Array;
  /** Miles per gallon. */
  readonly y: Float32Array;
}

/** The cars of the Auto-MPG data set of which nothing is missing, in random order: the file is sorted by year. */
export function loadCars(): Cars {
  const cars: Record<string, number | string | null>[] = JSON.parse(
    readFileSync(join(dirname(require.resolve("vega-datasets")), "../data/cars.json"), "utf8"),
  );
  const complete = cars.filter((car) => [...FEATURES, TARGET].every((name) => car[name] !== null));
  const order = Uint32Array.from(complete, (_, i) => i);
  new Random(0).shuffle(order);
  const rows = Array.from(order, (i) => complete[i]);
  // A year is written "1970-01-01".
  const columns = FEATURES.map((name) => standardize(rows.map((car) => Number.parseFloat(`${car![name]}`))));
  return {
    count: rows.length,
    x: Float32Array.from(rows.flatMap((_, i) => columns.map((column) => column[i]))),
    y: Float32Array.from(rows, (car) => Number(car![TARGET])),
  };
}

function standardize(values: number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return values.map((value) => (value - mean) / Math.sqrt(variance));
}

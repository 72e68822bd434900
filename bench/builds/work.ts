// What two builds are compared by, in an order that the command and its processes share.
import { productJob } from "../gemm.bench.js";
import { NETWORKS, networkJob } from "../nn.bench.js";
import { STEP_FAMILIES, stepJob } from "../optim.bench.js";
import type { Job } from "../run.js";
import { SHAPES } from "../shapes.js";

/** The largest number of parameters of a step: 16 million would measure the memory. */
const PARAMETERS = 2 ** 20;

/** What takes no process of its own for each sample, by name. */
const KINDS: Readonly<Record<string, () => (() => Job)[]>> = {
  ...Object.fromEntries(
    Object.entries(STEP_FAMILIES).map(([kind, { methods, parameters }]) => [
      kind,
      () =>
        Object.entries(methods).flatMap(([name, method]) =>
          parameters.filter((count) => count <= PARAMETERS).map((count) => () => stepJob(name, method, count, [])),
        ),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(SHAPES).map(([kind, { shapes, unit }]) => [
      kind,
      () => shapes.map((shape) => () => productJob(shape, unit, [])),
    ]),
  ),
  networks: () => NETWORKS.map((network) => () => networkJob(network, [])),
};

/** Importing the package and the first step, in a process for each sample. */
export const START = "start";

/** All kinds of work. */
export const KIND_NAMES: readonly string[] = [START, ...Object.keys(KINDS)];

/** The work of these kinds, each made when it is called: some takes hundreds of megabytes. */
export function jobsOf(kinds: readonly string[]): (() => Job)[] {
  return kinds.flatMap((kind) => KINDS[kind]?.() ?? []);
}

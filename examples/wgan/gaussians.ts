// A Wasserstein GAN learns eight Gaussians on a circle.
import { type Core, createCore } from "lanewise";
import { dense, heNormal, Sequential } from "lanewise/nn";
import { runAsMain } from "../main.js";
import { type Point, savePlot } from "../plot.js";
import { conclude, quick } from "../training.js";
import { Wgan } from "./training.js";

const NOISE = 8;
const MODES = 8;
const RADIUS = 1;
const DEVIATION = 0.05;

const CENTERS = Array.from({ length: MODES }, (_, i): Point => {
  const angle = (2 * Math.PI * i) / MODES;
  return [RADIUS * Math.cos(angle), RADIUS * Math.sin(angle)];
});

/** What the generator makes after some of its steps. */
export interface Picture {
  readonly step: number;
  readonly points: readonly Point[];
  /** The critic's estimate: mean over real points less mean over generated ones. */
  readonly distance: number;
  /** Mean distance of a point to the nearest center. */
  readonly error: number;
  /** Centers that are the nearest one of at least 4 % of the points. */
  readonly modes: number;
}

function network(core: Core, inputs: number, outputs: number, seed: number): Sequential {
  const hidden = () => dense(128, { activation: "relu", initializer: heNormal() });
  return new Sequential(core, [hidden(), hidden(), dense(outputs)], { inputShape: [inputs], seed });
}

/** Trains both networks; yields a picture every `every` steps of the generator. */
export async function* run(steps: number, every: number): AsyncGenerator<Picture> {
  using core = await createCore();
  const wgan = new Wgan(core, { generator: network(core, NOISE, 2, 1), critic: network(core, 2, 1, 2) });
  const { random } = wgan;
  const writeReal = (rows: Float32Array) => {
    for (let i = 0; i < rows.length; i += 2) {
      const [x, y] = CENTERS[random.below(MODES)]!;
      rows[i] = x + DEVIATION * random.normal();
      rows[i + 1] = y + DEVIATION * random.normal();
    }
  };
  const picture = (step: number): Picture => {
    const points = Array.from({ length: 16 }, () => [...wgan.generate().data]).flatMap((batch) =>
      batch.flatMap((x, i): Point[] => (i % 2 ? [] : [[x, batch[i + 1]!]])),
    );
    const nearest = points.map(([x, y]) => {
      const distances = CENTERS.map(([cx, cy]) => Math.hypot(x - cx, y - cy));
      const least = Math.min(...distances);
      return { center: distances.indexOf(least), least };
    });
    const counts = CENTERS.map((_, i) => nearest.filter(({ center }) => center === i).length);
    const error = nearest.reduce((sum, { least }) => sum + least, 0) / points.length;
    return {
      step,
      points,
      distance: wgan.distance,
      error,
      modes: counts.filter((count) => count >= 0.04 * points.length).length,
    };
  };

  yield picture(0);
  for (let step = 1; step <= steps; step++) {
    wgan.step(writeReal);
    if (step % every === 0) yield picture(step);
  }
}

/** Points as characters: the square from −1.5 to 1.5. */
function draw(points: readonly Point[]): string {
  const [rows, columns] = [15, 41];
  const grid = Array.from({ length: rows }, () => new Uint16Array(columns));
  for (const [x, y] of points) {
    const row = Math.floor(((1.5 - y) / 3) * rows);
    const column = Math.floor(((x + 1.5) / 3) * columns);
    if (column >= 0 && column < columns && grid[row]) grid[row][column]!++;
  }
  const shades = " .:oO@";
  return grid.map((line) => Array.from(line, (n) => shades[Math.min(5, Math.ceil(Math.sqrt(n)))]).join("")).join("\n");
}

await runAsMain(import.meta.url, async () => {
  const [steps, every] = quick ? [600, 200] : [20_000, 2000];
  console.log("Eight Gaussians on a circle; what the generator makes of 8 numbers of noise:");
  const pictures: Picture[] = [];
  for await (const picture of run(steps, every)) {
    pictures.push(picture);
    const { step, points, distance, error, modes } = picture;
    console.log(`\n── step ${step}, ${modes} of ${MODES} modes, mean distance to one ${error.toFixed(3)},`);
    console.log(`   critic's estimate ${distance.toExponential(2)}\n${draw(points)}`);
  }
  const last = pictures.at(-1)!;
  savePlot(
    "wgan",
    "WGAN with RMSProp: distance of what it makes to the nearest mode",
    { "mean distance": pictures.map(({ step, error }): Point => [step, error]) },
    { x: { label: "step of the generator" }, y: { label: "distance" } },
  );
  conclude("mean distance to a mode", last.error, { atMost: quick ? 0.6 : 0.25 });
  conclude("modes", last.modes, { atLeast: quick ? 2 : MODES });
});

/** A function of two variables, and the part of the plane to look at. */
export interface Surface {
  readonly f: (x: number, y: number) => number;
  readonly gradient: (x: number, y: number) => readonly [number, number];
  readonly window: { readonly x: readonly [number, number]; readonly y: readonly [number, number] };
  readonly start: readonly [number, number];
  /** Where f is least. */
  readonly minima: readonly (readonly [number, number])[];
}

/** How many steps and which learning rates show something. */
export interface Suggestion {
  readonly steps: number;
  readonly rates: Readonly<Record<"rmsprop" | "adam" | "adagrad" | "sgd", number>>;
}

/** A surface of the list. */
export interface Preset extends Surface, Suggestion {
  readonly name: string;
  readonly formula: string;
  readonly about: string;
}

export const PRESETS: Readonly<Record<string, Preset>> = {
  valley: {
    name: "Ravine (textbook)",
    formula: "0.1·x₁² + 2·x₂²",
    about: "Steep one way, flat the other. The longest step that the walls allow is short for the floor.",
    f: (x, y) => 0.1 * x ** 2 + 2 * y ** 2,
    gradient: (x, y) => [0.2 * x, 4 * y],
    window: { x: [-6, 3], y: [-3, 3] },
    start: [-5, -2],
    minima: [[0, 0]],
    steps: 40,
    rates: { rmsprop: 0.4, adam: 0.4, adagrad: 1.4, sgd: 0.47 },
  },
  rosenbrock: {
    name: "Rosenbrock's banana",
    formula: "(1 − x₁)² + 100·(x₂ − x₁²)²",
    about: "A bent valley with an almost flat floor: easy to fall into, hard to follow.",
    f: (x, y) => (1 - x) ** 2 + 100 * (y - x * x) ** 2,
    gradient: (x, y) => [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)],
    window: { x: [-2, 2], y: [-1, 3] },
    start: [-1.2, 1],
    minima: [[1, 1]],
    steps: 300,
    rates: { rmsprop: 0.02, adam: 0.1, adagrad: 0.3, sgd: 0.001 },
  },
  ravine: {
    name: "Diagonal ravine",
    formula: "0.05·(x₁ + x₂)² + 3·(x₁ − x₂)²",
    about: "The valley is diagonal to the axes. Scaling each axis separately helps less here.",
    f: (x, y) => 0.05 * (x + y) ** 2 + 3 * (x - y) ** 2,
    gradient: (x, y) => [0.1 * (x + y) + 6 * (x - y), 0.1 * (x + y) - 6 * (x - y)],
    window: { x: [-5, 3], y: [-5, 3] },
    start: [-4, -2.5],
    minima: [[0, 0]],
    steps: 60,
    rates: { rmsprop: 0.15, adam: 0.3, adagrad: 0.8, sgd: 0.15 },
  },
  saddle: {
    name: "Saddle",
    formula: "x₁² − x₂² + 0.1·x₂⁴",
    about: "The start is almost on the ridge. Where the slope is tiny, small divisors make long steps.",
    f: (x, y) => x ** 2 - y ** 2 + 0.1 * y ** 4,
    gradient: (x, y) => [2 * x, -2 * y + 0.4 * y ** 3],
    window: { x: [-3, 3], y: [-3.2, 3.2] },
    start: [-2.5, 0.001],
    minima: [
      [0, Math.sqrt(5)],
      [0, -Math.sqrt(5)],
    ],
    steps: 60,
    rates: { rmsprop: 0.05, adam: 0.1, adagrad: 0.5, sgd: 0.05 },
  },
  beale: {
    name: "Beale's function",
    formula: "(1.5 − x₁ + x₁x₂)² + (2.25 − x₁ + x₁x₂²)² + (2.625 − x₁ + x₁x₂³)²",
    about: "Flat in the middle, cliffs at the corners: slopes differ by a factor of many thousands.",
    f: (x, y) => (1.5 - x + x * y) ** 2 + (2.25 - x + x * y * y) ** 2 + (2.625 - x + x * y ** 3) ** 2,
    gradient: (x, y) => {
      const [a, b, c] = [1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y ** 3];
      return [
        2 * a * (y - 1) + 2 * b * (y * y - 1) + 2 * c * (y ** 3 - 1),
        2 * a * x + 4 * b * x * y + 6 * c * x * y * y,
      ];
    },
    window: { x: [-1, 4.5], y: [-2, 2] },
    start: [1, 1.6],
    minima: [[3, 0.5]],
    steps: 200,
    rates: { rmsprop: 0.03, adam: 0.1, adagrad: 0.5, sgd: 0.01 },
  },
};

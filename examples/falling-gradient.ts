// A gradient that falls from 100 to 1 after 100 steps: RMSProp forgets the large ones and recovers its step.
import { createCore, RMSProp, SGD } from "lanewise";
import { runAsMain } from "./main.js";
import { type Point, savePlot } from "./plot.js";
import { stepLengths } from "./step-lengths.js";

const LEARNING_RATE = 0.01;

export interface Result {
  /** Step lengths, and after how many steps with the gradient 1 they are 90 % of the learning rate again. */
  rmsprop: { decay: number; lengths: number[]; recovery: number }[];
  sgd: number[];
}

export async function run(): Promise<Result> {
  using core = await createCore();
  const gradients = Array.from({ length: 400 }, (_, i) => (i < 100 ? 100 : 1));
  const rmsprop = [0.8, 0.9, 0.95].map((decay) => {
    const lengths = stepLengths(gradients, (theta) => new RMSProp(core, theta, { learningRate: LEARNING_RATE, decay }));
    return { decay, lengths, recovery: 1 + lengths.slice(100).findIndex((length) => length >= 0.9 * LEARNING_RATE) };
  });
  const sgd = stepLengths(gradients, (theta) => new SGD(core, theta, { learningRate: LEARNING_RATE / 100 }));
  return { rmsprop, sgd };
}

await runAsMain(import.meta.url, async () => {
  const { rmsprop, sgd } = await run();
  const print = (name: string, lengths: number[], recovery: string) => {
    const columns = [100, 101, 150, 400].map((step) => lengths[step - 1]!.toExponential(2).padStart(10));
    console.log(name.padEnd(12), ...columns, recovery.padStart(12));
  };
  console.log("length of step      100        101        150        400    recovered");
  for (const { decay, lengths, recovery } of rmsprop) print(`decay ${decay}`, lengths, `${recovery} steps`);
  print("SGD", sgd, "never");

  const line = (lengths: number[]): Point[] => lengths.map((length, i) => [i + 1, length]);
  savePlot(
    "falling-gradient",
    "Length of a step when the gradient falls from 100 to 1 after 100 steps",
    {
      ...Object.fromEntries(rmsprop.map(({ decay, lengths }) => [`RMSProp, decay ${decay}`, line(lengths)])),
      SGD: line(sgd),
    },
    { x: { label: "step" }, y: { label: "length of the step", type: "log", domain: [5e-5, 5e-2] } },
  );
});

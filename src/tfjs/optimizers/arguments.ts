import { backend } from "@tensorflow/tfjs-core";
import { OptionError } from "../../errors.js";
import type { Schedule } from "../../optim/options.js";

/** A learning rate as the first of TensorFlow.js's arguments. */
export type Rate = number | Schedule;

/** The options that have a value: TensorFlow.js has `null` for none too. */
export function given<Options extends object>(options: Nullable<Options>): Partial<Options> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(entries) as Partial<Options>;
}

type Nullable<Options> = { [Key in keyof Options]?: Options[Key] | null | undefined };

/** The options, from the first argument alone or from all of them; `name` is what TensorFlow.js calls the optimizer. */
export function optionsOf<Options extends object>(
  name: string,
  first: Rate | Options,
  rest: Nullable<Options>,
): Options {
  if (typeof first === "object" && first !== null) return first;
  if (first === undefined || first === null) {
    const expected = "expected a number, a function or an object of options";
    throw new OptionError(`learningRate for ${name}Optimizer must be defined: it is ${first}, ${expected}`);
  }
  return { learningRate: first, ...given(rest) } as Options;
}

/** The backend's, as TensorFlow.js's optimizers have it. */
export function epsilon(): { eps: number } {
  return { eps: backend().epsilon() };
}

import { checkFinite, checkInteger } from "../../checks.js";
import { power } from "../bias-correction.js";
import type { Schedule } from "../options.js";
import { cosine } from "./curves.js";

/**
 * On half a cosine down to the floor, then the floor: floor + (value − floor)·(1 + cos(π·t/steps))/2.
 *
 * @param value finite, >= 0
 * @param steps an integer >= 1
 * @param floor finite, >= 0; default 0
 * @throws OptionError
 * @example
 * const schedule = cosineDecay(0.1, 1000, 1e-4);
 * @see Loshchilov and Hutter, SGDR (2017); Optax's cosine_decay_schedule, PyTorch's CosineAnnealingLR
 */
export function cosineDecay(value: number, steps: number, floor = 0): Schedule {
  checkFinite("value", value, 0);
  checkInteger("steps", steps, 1);
  checkFinite("floor", floor, 0);
  return (iteration) => cosine(value, floor, iteration / steps);
}

/**
 * Along a cosine down to the floor and up again, over and over: floor + (value − floor)·(1 + cos(π·t/steps))/2. PyTorch's
 * CosineAnnealingLR does so past its `T_max`, where `cosineDecay` stays at the floor.
 *
 * @param value finite, >= 0
 * @param steps of the way down, an integer >= 1
 * @param floor finite, >= 0; default 0
 * @throws OptionError
 * @example
 * const schedule = cosineAnnealing(0.1, 1000);
 * @see Loshchilov and Hutter, SGDR (2017); PyTorch's CosineAnnealingLR
 */
export function cosineAnnealing(value: number, steps: number, floor = 0): Schedule {
  const down = cosineDecay(value, steps, floor);
  return (iteration) => {
    const place = iteration % (2 * steps);
    return down(place > steps ? 2 * steps - place : place);
  };
}

/**
 * Cosine decays one after the other, each starting again from the value and `multiplier` times as long as the one before.
 *
 * @param value finite, >= 0
 * @param steps of the first one, an integer >= 1
 * @param multiplier an integer >= 1; default 1
 * @param floor finite, >= 0; default 0
 * @param height factor >= 0 of value − floor at each restart; default 1
 * @throws OptionError
 * @example
 * const schedule = cosineRestarts(0.1, 100, 2); // starts again at 100, 300, 700, ...
 * @see Loshchilov and Hutter, SGDR (2017); PyTorch's CosineAnnealingWarmRestarts, Optax's sgdr_schedule, Keras's
 *   CosineDecayRestarts (`t_mul` is the multiplier, `m_mul` the height)
 */
export function cosineRestarts(value: number, steps: number, multiplier = 1, floor = 0, height = 1): Schedule {
  checkFinite("value", value, 0);
  checkInteger("steps", steps, 1);
  checkInteger("multiplier", multiplier, 1);
  checkFinite("floor", floor, 0);
  checkFinite("height", height, 0);
  return (iteration) => {
    let length = steps;
    let restarts = 0;
    if (multiplier === 1) {
      restarts = Math.floor(iteration / length);
      iteration %= length;
    } else {
      for (; iteration >= length; length *= multiplier) {
        iteration -= length;
        restarts++;
      }
    }
    return cosine(floor + (value - floor) * power(height, restarts), floor, iteration / length);
  };
}

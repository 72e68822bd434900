import {
  GROUP_DECAY,
  GROUP_DECAY_COMPLEMENT,
  GROUP_LEARNING_RATE,
  GROUP_MEAN_DECAY,
  GROUP_MEAN_DECAY_COMPLEMENT,
  SEGMENT_PARAM,
  SEGMENT_STATE,
} from "../../../abi/step-table.js";
import type { LionKernels } from "../../families/lion.js";
import type { Views } from "../views.js";
import { indexOf, walker } from "./transform.js";

const f = Math.fround;

/** The JavaScript implementation of assembly/optim/lion.ts. */
export function lionKernels(views: Views): LionKernels {
  return {
    lion_f32: walker(views, (f32, i32, segment, group, start, count, g, at) => {
      const learningRate = f32[group + GROUP_LEARNING_RATE]!;
      const beta1 = f32[group + GROUP_MEAN_DECAY]!;
      const complement1 = f32[group + GROUP_MEAN_DECAY_COMPLEMENT]!;
      const beta2 = f32[group + GROUP_DECAY]!;
      const complement2 = f32[group + GROUP_DECAY_COMPLEMENT]!;
      const p = indexOf(i32, segment + SEGMENT_PARAM, start);
      const m = indexOf(i32, segment + SEGMENT_STATE, start);
      for (let i = 0; i < count; i++) {
        const x = f(f(beta1 * f32[m + i]!) + f(complement1 * g[at + i]!));
        f32[p + i]! -= x > 0 ? learningRate : x < 0 ? -learningRate : 0;
        f32[m + i] = f(beta2 * f32[m + i]!) + f(complement2 * g[at + i]!);
      }
    }),
  };
}

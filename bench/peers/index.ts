import type { Contestant } from "../contestant.js";
import { brain } from "./brain.js";
import { convnetjs } from "./convnetjs.js";
import { jax } from "./jax.js";
import { mlMatrix, stdlib } from "./loops.js";
import { onnxruntime } from "./onnxruntime.js";
import { tfjs } from "./tfjs.js";

export const peers: readonly Contestant[] = [
  tfjs("wasm"),
  onnxruntime,
  jax,
  tfjs("cpu"),
  convnetjs,
  brain,
  mlMatrix,
  stdlib,
];

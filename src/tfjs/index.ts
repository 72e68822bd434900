import { serialization } from "@tensorflow/tfjs-core";
import { LanewiseAdagrad } from "./optimizers/adagrad.js";
import { LanewiseAdam, LanewiseAdamW } from "./optimizers/adam.js";
import { LanewiseRMSProp } from "./optimizers/rmsprop.js";
import { LanewiseMomentum, LanewiseSGD } from "./optimizers/sgd.js";

export type { AdamOptions } from "../optim/adam.js";
export type { DialectName } from "../optim/dialects.js";
export type { Schedule } from "../optim/options.js";
export type { RMSPropOptions } from "../optim/rmsprop.js";
export type { SGDOptions } from "../optim/sgd.js";
export { type AccelerateOptions, type Acceleration, accelerate } from "./accelerate.js";
export { accelerateModel, type LayersModel, type ModelAcceleration } from "./accelerate-model.js";
export { type AdagradOptions, adagrad } from "./optimizers/adagrad.js";
export { adam, adamw } from "./optimizers/adam.js";
export { LanewiseOptimizer } from "./optimizers/optimizer.js";
export { rmsprop } from "./optimizers/rmsprop.js";
export { momentum, sgd } from "./optimizers/sgd.js";
export { LanewiseAdagrad, LanewiseAdam, LanewiseAdamW, LanewiseMomentum, LanewiseRMSProp, LanewiseSGD };

for (const Class of [LanewiseRMSProp, LanewiseAdam, LanewiseAdamW, LanewiseAdagrad, LanewiseSGD, LanewiseMomentum]) {
  serialization.registerClass(Class);
}

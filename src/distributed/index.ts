export { arrayRows, type RowSource, rangeReader, type StoredField, type StoredRowsOptions, storedRows } from "./data.js";
export type { Description } from "./description.js";
export {
  type DistributedEpoch,
  DistributedFit,
  type DistributedFitOptions,
  type DistributedProgress,
  DistributedTrainer,
  type DistributedTrainerOptions,
} from "./distributed-trainer.js";
export { DivergenceError, GroupError } from "./errors.js";
export type { Group, GroupEvents, Session, SessionListener, Traffic } from "./group.js";
export { joinGroup } from "./join.js";
export type { Position, Work } from "./protocol/environment.js";
export type { TimingOptions } from "./protocol/timing.js";
export type { GroupOptions } from "./remote-group.js";
export { LocalGroup } from "./transports/local.js";
export type { NatsConnection, NatsStorageOptions } from "./transports/nats.js";
export type { Block } from "./tree.js";

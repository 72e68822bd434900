export type { Compression } from "./compression.js";
export {
  arrayRows,
  type RowSource,
  rangeReader,
  type StoredField,
  type StoredRowsOptions,
  storedRows,
} from "./data.js";
export type { Description } from "./description.js";
export { DiLoCo, type DiLoCoOptions } from "./diloco.js";
export type { DistributedEpoch, DistributedFit } from "./distributed-fit.js";
export { DistributedTrainer, type DistributedTrainerOptions } from "./distributed-trainer.js";
export { DivergenceError, GroupError } from "./errors.js";
export type { Group, GroupEvents, Session, SessionListener, Traffic } from "./group.js";
export type { DistributedFitOptions, DistributedProgress, GroupTrainer } from "./group-trainer.js";
export { joinDurableObject, joinGroup } from "./join.js";
export type { Position, Work } from "./protocol/environment.js";
export type { TimingOptions } from "./protocol/timing.js";
export type { GroupOptions } from "./remote-group.js";
export type { DurableObjectOptions } from "./transports/durable-object/client.js";
export { GroupHub, routeToHub } from "./transports/durable-object/hub.js";
export type { DurableObjectNamespace, DurableObjectState } from "./transports/durable-object/platform.js";
export { LocalGroup } from "./transports/local.js";
export type { NatsConnection, NatsStorageOptions } from "./transports/nats.js";
export type { Block } from "./tree.js";

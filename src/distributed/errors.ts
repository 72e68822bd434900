import { LanewiseError } from "../errors.js";

/** A run cannot be joined, or the connection to it is lost for good. */
export class GroupError extends LanewiseError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("ERR_GROUP", "GroupError", message, options);
  }
}

/** Members of a run computed different numbers; the run was stopped. */
export class DivergenceError extends LanewiseError {
  constructor(message: string) {
    super("ERR_DIVERGENCE", "DivergenceError", message);
  }
}

/** The base of every error that Lanewise throws on purpose; `code` is stable, the message is for people. */
export class LanewiseError extends Error {
  readonly code: string;

  constructor(code: string, name: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.name = name; // given, not derived from the class: minifiers rename classes
  }
}

/** What went wrong, of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Shapes or lengths that do not fit each other. */
export class ShapeError extends LanewiseError {
  constructor(message: string) {
    super("ERR_SHAPE", "ShapeError", message);
  }
}

/** An argument or option of a wrong type, out of its range, unknown, or in conflict with another. */
export class OptionError extends LanewiseError {
  constructor(message: string) {
    super("ERR_OPTION", "OptionError", message);
  }
}

/** A core, tensor, optimizer or trainer used after its `dispose()`. */
export class DisposedError extends LanewiseError {
  constructor(message: string) {
    super("ERR_DISPOSED", "DisposedError", message);
  }
}

/** Linear memory cannot grow as far as an allocation needs. */
export class OutOfMemoryError extends LanewiseError {
  constructor(message: string) {
    super("ERR_OUT_OF_MEMORY", "OutOfMemoryError", message);
  }
}

/** The backend that was asked for cannot run here. */
export class BackendError extends LanewiseError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("ERR_BACKEND", "BackendError", message, options);
  }
}

/** A checkpoint that is damaged, that belongs to another model or optimizer, or that a store cannot save or load. */
export class CheckpointError extends LanewiseError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("ERR_CHECKPOINT", "CheckpointError", message, options);
  }
}

/** A gradient contains NaN or ±Infinity and `onNonFinite` is `"throw"`. */
export class NonFiniteError extends LanewiseError {
  constructor(message: string) {
    super("ERR_NON_FINITE", "NonFiniteError", message);
  }
}

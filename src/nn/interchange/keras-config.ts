import { checkRecord } from "../../checkpoint/json.js";
import { describe } from "../../checks.js";
import { CheckpointError } from "../../errors.js";

/** The config of a Keras layer, from a file: attributes are read by name, and those that say something else are refused. */
export class KerasConfig {
  readonly path: string;
  /** Of Keras: what words and defaults mean. TensorFlow.js writes those of 2. */
  readonly version: 2 | 3;
  readonly record: Readonly<Record<string, unknown>>;

  constructor(path: string, record: unknown, version: 2 | 3) {
    this.path = path;
    this.version = version;
    this.record = checkRecord(path, record);
  }

  /** An attribute, as the file has it; undefined if it is absent or null. */
  get(name: string): unknown {
    const value = Object.hasOwn(this.record, name) ? this.record[name] : undefined;
    return value === null ? undefined : value;
  }

  /** An attribute that is a record. */
  nested(name: string): KerasConfig {
    return new KerasConfig(`${this.path}.${name}`, this.get(name), this.version);
  }

  /** An attribute that is a word, in snake case: TensorFlow.js has written both. */
  word(name: string): string | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string") throw this.unexpected(name, value, "a string");
    return value.replace(/[a-z][A-Z]/g, ([a, b]) => `${a}_${b!.toLowerCase()}`);
  }

  /** A boolean; TensorFlow.js writes null for a default. */
  flag(name: string, byDefault: boolean): boolean {
    const value = this.get(name) ?? byDefault;
    if (typeof value !== "boolean") throw this.unexpected(name, value, "true or false");
    return value;
  }

  /** Throws unless an attribute, if it is there, is one of these. */
  only(name: string, ...values: readonly unknown[]): void {
    const value = this.get(name);
    const same = values.some((each) => JSON.stringify(each) === JSON.stringify(value));
    if (value !== undefined && !same) {
      throw this.unexpected(name, value, values.map((each) => JSON.stringify(each)).join(" or "));
    }
  }

  unexpected(name: string, value: unknown, expected: string): CheckpointError {
    return new CheckpointError(`${this.path}.${name} is ${describe(value)}, expected ${expected}`);
  }
}

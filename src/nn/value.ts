import { type Shape, sizeOf, type Tensor } from "../tensor.js";

/** A number that kernel calls take and that each run sets: the address of x, of the targets, of scratch. */
export class RunArgument {
  value = 0;
}

/** A part of a value: what begins some elements after its start. */
export class Address {
  readonly value: Value;
  readonly bytes: number;

  constructor(value: Value, bytes: number) {
    this.value = value;
    this.bytes = bytes;
  }
}

/**
 * float32 elements that the calls of a plan read and write. A value is written by one layer and never changed
 * afterwards, so that the builder can decide where it is in memory: values whose lifetimes do not overlap share memory.
 */
export class Value {
  /** Of one row of the batch; of a parameter or buffer, its shape. */
  readonly shape: Shape;
  /** Elements in all. */
  readonly size: number;
  /** A tensor, an address that each run sets, another value that this one is a view of, or the plan's own memory. */
  readonly place: Tensor | RunArgument | Value | undefined;
  /** Whether a parameter takes part in it, or somebody asks for the gradient of the input that does. */
  readonly needsGradient: boolean;

  /** Use the methods of `PlanBuilder`. @internal */
  constructor(shape: Shape, size: number, place: Value["place"], needsGradient: boolean) {
    this.shape = shape;
    this.size = size;
    this.place = place;
    this.needsGradient = needsGradient;
  }

  /** Elements of one row of the batch. */
  get rowSize(): number {
    return sizeOf(this.shape);
  }

  /** The value from this element on, as an argument of a call. */
  at(element: number): Address {
    return new Address(this, element * 4);
  }
}

/** What a kernel call takes: a number, the address of a value, or what each run sets. */
export type Argument = number | Value | Address | RunArgument;

/** The value that an argument is the address of, or of a part of. */
export function valueIn(arg: Argument): Value | undefined {
  if (arg instanceof Value) return arg;
  return arg instanceof Address ? arg.value : undefined;
}

/** The value whose memory this one is a view of. */
export function rootOf(value: Value): Value {
  let root = value;
  while (root.place instanceof Value) root = root.place;
  return root;
}

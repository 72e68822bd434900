import type { EmittedCall } from "./plan-builder.js";
import { rootOf, type Value, valueIn } from "./value.js";

/** Values start on a cache line. */
const ALIGNMENT = 64;

/** Where each value of a plan is in the plan's block of memory, in bytes from its start. */
export interface MemoryLayout {
  readonly offsets: ReadonlyMap<Value, number>;
  readonly bytes: number;
}

interface Lifetime {
  readonly value: Value;
  bytes: number;
  first: number;
  last: number;
  offset: number;
}

/**
 * Gives every value of the plan's own memory a place. Values that exist at the same time do not overlap; a value that
 * `reuse` names takes the place of the one it is made from, if that is read for the last time there. The largest are
 * placed first, each as low as it fits.
 *
 * @param calls all calls in the order in which they run
 * @param kept values that exist until the end
 */
export function layOut(calls: readonly EmittedCall[], kept: ReadonlySet<Value>): MemoryLayout {
  const lifetimes = new Map<Value, Lifetime>();
  const note = (value: Value, at: number): void => {
    const root = rootOf(value);
    if (root.place !== undefined) return;
    const lifetime = lifetimes.get(root);
    if (lifetime === undefined) {
      lifetimes.set(root, { value: root, bytes: root.size * 4, first: at, last: at, offset: 0 });
    } else lifetime.last = at;
  };
  for (const [at, { args }] of calls.entries()) {
    for (const arg of args) {
      const value = valueIn(arg);
      if (value !== undefined) note(value, at);
    }
  }
  for (const value of kept) note(value, calls.length);

  // What a value is placed with: itself, or the value whose place it takes.
  const hosts = new Map<Value, Lifetime>();
  for (const [at, { reuse }] of calls.entries()) {
    if (reuse === undefined) continue;
    const from = lifetimes.get(rootOf(reuse[0]));
    const to = lifetimes.get(rootOf(reuse[1]));
    if (from === undefined || to === undefined || from === to || from.bytes !== to.bytes) continue;
    const host = hosts.get(from.value) ?? from;
    if (from.last !== at || to.first !== at || host.last !== at) continue;
    hosts.set(to.value, host);
    host.last = to.last;
  }

  const placed: Lifetime[] = [];
  const own = [...lifetimes.values()].filter(({ value }) => !hosts.has(value));
  let bytes = 0;
  for (const lifetime of own.sort((a, b) => b.bytes - a.bytes)) {
    lifetime.offset = lowestGap(lifetime, placed);
    insertByOffset(placed, lifetime);
    bytes = Math.max(bytes, lifetime.offset + lifetime.bytes);
  }
  const offsets = new Map(
    [...lifetimes.values()].map(({ value, offset }) => [value, hosts.get(value)?.offset ?? offset]),
  );
  return { offsets, bytes };
}

/** The lowest offset at which a value overlaps none that exists at the same time; `placed` ascends by offset. */
function lowestGap({ first, last, bytes }: Lifetime, placed: readonly Lifetime[]): number {
  let offset = 0;
  for (const other of placed) {
    if (other.last < first || other.first > last) continue;
    if (offset + bytes <= other.offset) break;
    offset = Math.max(offset, Math.ceil((other.offset + other.bytes) / ALIGNMENT) * ALIGNMENT);
  }
  return offset;
}

function insertByOffset(placed: Lifetime[], lifetime: Lifetime): void {
  let at = placed.length;
  while (at > 0 && placed[at - 1]!.offset > lifetime.offset) at--;
  placed.splice(at, 0, lifetime);
}

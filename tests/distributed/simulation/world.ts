import type { Entry, Environment, Store } from "../../../src/distributed/protocol/environment.js";
import { Random } from "../../../src/random.js";

/** What can go wrong, each with a probability or a length. */
export interface Faults {
  loss: number;
  duplication: number;
  damage: number;
  /** Longest time that a message travels, in milliseconds. */
  latency: number;
  /** Requests to the store that are not answered, though they may be carried out. */
  storeLoss: number;
  /** Blobs that are not taken. */
  storeFull: number;
}

export const NO_FAULTS: Faults = { loss: 0, duplication: 0, damage: 0, latency: 5, storeLoss: 0, storeFull: 0 };

interface Event {
  readonly at: number;
  readonly order: number;
  readonly node: Node | undefined;
  readonly action: () => void;
}

/** A process of the simulated cluster, as the world sees it. */
export class Node {
  readonly id: string;
  isAlive = true;
  /** Events of a paused process wait. */
  pausedUntil = 0;
  /** Nodes of another side of a partition are not reached; side −1 does not reach the store either. */
  side = 0;
  receive: (packet: Uint8Array) => void = () => {};

  constructor(id: string) {
    this.id = id;
  }
}

/** Time, network and store of a cluster, in one process: the same seed makes the same things happen. */
export class World {
  readonly random: Random;
  readonly nodes: Node[] = [];
  faults: Faults = NO_FAULTS;
  /** The store does not answer at all. */
  isStoreDown = false;
  /** The register takes every write: what the protocol rests on is missing, to see that somebody notices. */
  isRegisterBroken = false;
  /** Sees every value that the register gets. */
  written: (value: string) => void = () => {};
  now = 0;
  events = 0;
  readonly #heap: Event[] = [];
  #order = 0;
  readonly #entries = new Map<string, Entry>();
  readonly #blobs = new Map<string, Uint8Array>();
  #revision = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  chance(probability: number): boolean {
    return this.random.uniform() < probability;
  }

  /** Something happens in `milliseconds`; what happens to a process that is dead by then does not. */
  after(milliseconds: number, action: () => void, node?: Node): void {
    this.#push({ at: this.now + milliseconds, order: this.#order++, node, action });
  }

  /** Runs until `until()` or until `time`; false if the time came first. */
  run(time: number, until: () => boolean): boolean {
    while (!until()) {
      const event = this.#pop();
      if (event === undefined || event.at > time) {
        if (event !== undefined) this.#push(event);
        this.now = time;
        return false;
      }
      this.now = Math.max(this.now, event.at);
      const { node, action } = event;
      if (node?.isAlive === false) continue;
      if (node !== undefined && node.pausedUntil > this.now) {
        this.#push({ ...event, at: node.pausedUntil });
        continue;
      }
      this.events++;
      action();
    }
    return true;
  }

  send(from: Node, to: Node, packet: Uint8Array): void {
    const copies = this.chance(this.faults.duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (from.side !== to.side || this.chance(this.faults.loss)) continue;
      const delivered = packet.slice();
      if (this.chance(this.faults.damage)) delivered[this.random.below(packet.length)]! ^= 1 << this.random.below(8);
      this.after(1 + this.random.uniform() * this.faults.latency, () => to.receive(delivered), to);
    }
  }

  environment(node: Node, broadcast: Environment["send"]): Environment {
    return {
      now: () => this.now,
      after: (milliseconds, callback) => this.after(milliseconds, callback, node),
      random: () => this.random.uniform(),
      send: broadcast,
      store: this.#store(node),
    };
  }

  #store(node: Node): Store {
    // A request travels, is carried out, and is answered; each may fail. Whoever gets no answer is told so in the end.
    const request = <T>(carryOut: () => T, timedOut: T, done: (result: T) => void) => {
      const way = () => 0.5 + this.random.uniform() * this.faults.latency;
      const isCut = () => this.isStoreDown || node.side < 0 || this.chance(this.faults.storeLoss);
      let isAnswered = false;
      const answer = (result: T) => {
        if (isAnswered) return;
        isAnswered = true;
        done(result);
      };
      this.after(100, () => answer(timedOut), node);
      if (isCut()) return;
      const delay = this.chance(this.faults.storeLoss) ? 200 * this.random.uniform() : way();
      // The store carries out what a process has sent, though it may have died since.
      this.after(delay, () => {
        const result = carryOut();
        if (!isCut()) this.after(way(), () => answer(result), node);
      });
    };
    return {
      read: (key, done) => {
        request(() => ({ entry: this.#entries.get(key) }), "unavailable" as const, done as (result: unknown) => void);
      },
      write: (key, value, revision, done) => {
        const carryOut = () => {
          const isCurrent = (this.#entries.get(key)?.revision ?? 0) === revision;
          if (!isCurrent && !this.isRegisterBroken) return "conflict" as const;
          this.#entries.set(key, { value, revision: ++this.#revision });
          this.written(value);
          return { revision: this.#revision };
        };
        request<{ revision: number } | "conflict" | "unknown">(carryOut, "unknown", done);
      },
      putBlob: (name, bytes, done) => {
        const copy = bytes.slice();
        const carryOut = () => {
          if (this.chance(this.faults.storeFull)) return false;
          this.#blobs.set(name, copy);
          return true;
        };
        request(carryOut, false, done);
      },
      getBlob: (name, done) => request(() => this.#blobs.get(name)?.slice(), undefined, done),
      deleteBlob: (name) =>
        request(
          () => this.#blobs.delete(name),
          false,
          () => {},
        ),
    };
  }

  get blobCount(): number {
    return this.#blobs.size;
  }

  hasBlob(name: string): boolean {
    return this.#blobs.has(name);
  }

  /** The register, as it is stored. */
  entry(key: string): string | undefined {
    return this.#entries.get(key)?.value;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[parent]!)) break;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const child = right < heap.length && isBefore(heap[right]!, heap[left]!) ? right : left;
      if (!isBefore(heap[child]!, heap[at]!)) break;
      [heap[at], heap[child]] = [heap[child]!, heap[at]!];
      at = child;
    }
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

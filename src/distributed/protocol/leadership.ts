import { digestOf } from "../digest.js";
import { type Block, leavesIn, PartialSums, shareBlocks } from "../tree.js";
import type { Assignment, BeatMessage, Entry, Head, PartMessage, Position } from "./environment.js";
import { advance, type Root, samePosition } from "./history.js";
import { HEAD, parseHead, type Shared } from "./shared.js";

/** What the leader asks of the rest of its member. */
export interface Office {
  /** Applies a committed sum. */
  apply(root: Root): void;
  /** Computes blocks of its own. */
  takeUp(assignments: readonly Assignment[]): void;
  /** Another leads now; `entry` is the register. */
  deposed(entry: Entry): void;
  /** The office was given up, and the register says so. */
  resigned(): void;
  halted(reason: string): void;
}

/** A block that somebody is to compute, since when. */
interface Outstanding extends Assignment {
  readonly at: number;
}

/**
 * What one member does while it leads: shares out the blocks of a step, adds up what comes, commits the sum, keeps
 * checkpoints, helps those who are behind.
 *
 * A step is committed when the register, whose value is replaced by compare-and-set, has its position. A leader that was
 * replaced without knowing it cannot commit: the revision it expects is gone.
 */
export class Leadership {
  readonly #shared: Shared;
  readonly #office: Office;
  readonly #term: number;
  /** What the register is to be. */
  #desired: Head;
  #writing = false;
  #writtenAt: number;
  #ended = false;
  #sums: PartialSums;
  /** The accepted sums of this step, to compare later ones with. */
  #accepted = new Map<string, { payload: Uint8Array; member: string }>();
  #outstanding: Outstanding[] = [];
  /** Who has kept the others waiting in this step, and gets nothing more of it. */
  readonly #slow = new Set<string>();
  #attempt = 0;
  /** The sum that is being committed. */
  #root: Root | undefined;
  /** Milliseconds from assignment to arrival, a moving average. */
  #typical = 0;
  #saving = false;
  #saves = 0;
  #saveAfter = 0;
  #reachedTargetAt: number | undefined;
  #resigning = false;
  /** For members, before the first step. */
  #isWaiting = false;

  constructor(shared: Shared, office: Office) {
    this.#shared = shared;
    this.#office = office;
    this.#term = shared.head.term;
    this.#desired = shared.head;
    this.#writtenAt = shared.env.now();
    this.#sums = new PartialSums(shared.work.leaves);
  }

  /** Who is asked to compute what, and has not yet. */
  get assignments(): readonly Assignment[] {
    return this.#outstanding.map(({ first, size, member }) => ({ first, size, member }));
  }

  begin(): void {
    this.#startStep();
  }

  /** Stops at once; somebody else leads, or the process ends. */
  end(): void {
    this.#ended = true;
  }

  tick(): void {
    const { env, timing, history } = this.#shared;
    const now = env.now();
    if (now - this.#writtenAt > timing.lease / 3) this.#flush(true);
    this.#reassign(now);
    this.#maintainCheckpoint(now);
    this.#considerEnd(now);
    if (!this.#ended && samePosition(history.position, this.#shared.head)) this.#broadcast();
  }

  /** A member is gone. */
  lost(): void {
    this.#reassign(this.#shared.env.now());
  }

  heard(beat: BeatMessage): void {
    const { history, head, env, id, work } = this.#shared;
    this.#compare(beat);
    if (this.#isWaiting) this.#startStep();
    if (this.#ended || this.#desired.halted !== undefined) return;
    if (work.pure && history.contradicts(beat)) {
      this.#halt(`at step ${beat.step} member ${beat.from} has applied other sums than member ${id}`);
      return;
    }
    if (!beat.behind || beat.step > head.step) return;
    const roots = history.since(beat);
    if (roots !== undefined && samePosition(history.position, head)) {
      for (const { base, bytes } of roots)
        env.send(beat.from, { type: "root", from: id, base: positionOf(base) }, bytes);
      if (roots.length === 0) this.#broadcast();
      return;
    }
    const { checkpoint } = head;
    const reachable = checkpoint !== null && checkpoint.step > 0 && history.since(checkpoint) !== undefined;
    if (reachable && !samePosition(checkpoint, beat)) {
      env.send(beat.from, { type: "resync", from: id, term: this.#term, checkpoint });
    } else this.#save();
  }

  /** A block's sum, from another or from this member. */
  receive({ from, base, first, size }: Omit<PartMessage, "type">, payload: Uint8Array): void {
    const { history, head, listener, work } = this.#shared;
    if (!samePosition(base, history.position) || !samePosition(base, head)) {
      listener.dropped(base.step < head.step ? "late" : "stale");
      return;
    }
    const block = { first, size };
    if (!isBlock(block, work.leaves, work.largestBlock)) return;
    if (this.#root !== undefined || this.#sums.has(block)) {
      this.#compareSums(block, from, payload);
      listener.dropped("duplicate");
      return;
    }
    const sum = work.decode(payload);
    if (sum === undefined || !this.#sums.add(block, sum)) return;
    this.#accepted.set(`${first}:${size}`, { payload, member: from });
    this.#settle(block);
    const { total } = this.#sums;
    if (total !== undefined) this.#commit(total);
  }

  /** Stores the state if nobody else could go on from it, then gives the office up. */
  resign(): void {
    if (this.#ended) return;
    this.#resigning = true;
    this.#considerEnd(this.#shared.env.now());
  }

  #startStep(): void {
    const { env, work, head, history, roster, timing } = this.#shared;
    this.#root = undefined;
    this.#sums = new PartialSums(work.leaves);
    this.#accepted.clear();
    this.#slow.clear();
    this.#outstanding = [];
    const isComplete = head.step >= work.target;
    this.#isWaiting = head.step === 0 && roster.all.length + 1 < timing.startWith;
    if (isComplete) this.#reachedTargetAt ??= env.now();
    else if (!this.#resigning && !this.#isWaiting) this.#assign([[0, work.leaves]], this.#eligible(), env.now());
    this.#broadcast();
    // The sum of the step that was just committed is applied after the others know of it.
    if (samePosition(history.position, head)) this.#settled();
  }

  /** The register's position and this member's are the same again. */
  #settled(): void {
    const now = this.#shared.env.now();
    this.#maintainCheckpoint(now);
    this.#considerEnd(now);
    if (!this.#ended) this.#office.takeUp(this.assignments);
  }

  /** Members that are in step, this one among them; always in the same order. */
  #eligible(): string[] {
    const { id, roster, head } = this.#shared;
    // Who is a step behind will have the sum in a moment. Who is ahead waits until the run is there again.
    const others = roster.all.filter(({ id: other, done, position }) => {
      const isInStep = position.step === head.step || position.step === head.step - 1;
      return isInStep && !done && !this.#slow.has(other);
    });
    return [id, ...others.map((seen) => seen.id)].sort();
  }

  #assign(ranges: readonly (readonly [number, number])[], members: readonly string[], now: number): void {
    const { work } = this.#shared;
    for (const [first, end] of ranges) {
      shareBlocks(first, end, members.length, work.largestBlock).forEach((blocks, index) => {
        for (const block of blocks) this.#outstanding.push({ ...block, member: members[index]!, at: now });
      });
    }
    this.#attempt++;
  }

  /** Gives the blocks of those who are gone, or much slower than usual, to those who have delivered theirs. */
  #reassign(now: number): void {
    const { id, roster, timing, work, history, head } = this.#shared;
    if (this.#ended || this.#root !== undefined || !samePosition(history.position, head)) return;
    const patience = Math.max(timing.lease, 4 * this.#typical);
    const isOverdue = (entry: Outstanding) => {
      if (entry.member === id) return false;
      return roster.get(entry.member) === undefined || now - entry.at > patience;
    };
    const overdue = this.#outstanding.filter(isOverdue);
    if (overdue.length === 0) return;
    const kept = this.#outstanding.filter((entry) => !overdue.includes(entry));
    for (const { member } of overdue) this.#slow.add(member);
    const able = this.#eligible();
    const free = able.filter((member) => !kept.some((entry) => entry.member === member));
    this.#outstanding = kept;
    for (const { first, size } of overdue) {
      this.#assign([[first, first + leavesIn({ first, size }, work.leaves)]], free.length > 0 ? free : able, now);
    }
    this.#broadcast();
    this.#office.takeUp(this.assignments);
  }

  #settle(block: Block): void {
    const now = this.#shared.env.now();
    this.#outstanding = this.#outstanding.filter((entry) => {
      if (!this.#sums.has(entry)) return true;
      if (entry.first === block.first) this.#typical += (now - entry.at - this.#typical) / 8;
      return false;
    });
  }

  #broadcast(): void {
    const { env, id, head, revision, roster } = this.#shared;
    const members = roster.all.map((seen) => seen.id);
    const { assignments } = this;
    env.send(null, { type: "lead", from: id, head, revision, attempt: this.#attempt, assignments, members });
  }

  #commit(total: Float32Array): void {
    const { env, id, history, roster, work } = this.#shared;
    const base = history.position;
    const bytes = work.encodeRoot(total);
    const next = advance(base, bytes);
    this.#root = { base, next, bytes };
    // The others receive the sum while the register is being written; they apply it when they hear that it is committed.
    if (roster.all.length > 0) env.send(null, { type: "root", from: id, base: positionOf(base) }, bytes);
    this.#desired = { ...this.#desired, ...next };
    this.#flush();
  }

  /** Brings the register to what is desired; with `renew` also if it is that already. */
  #flush(renew = false): void {
    const { env, revision, head } = this.#shared;
    if (this.#ended || this.#writing || (this.#desired === head && !renew)) return;
    const desired = this.#desired;
    this.#writing = true;
    env.store.write(HEAD, JSON.stringify(desired), revision, (result) => {
      this.#writing = false;
      if (this.#ended) return;
      if (typeof result === "object") this.#written(desired, result.revision);
      else this.#inquire(desired);
    });
  }

  /** A write was refused or not answered: the register itself says what became of it. */
  #inquire(desired: Head): void {
    const { env, listener, timing, id } = this.#shared;
    this.#writing = true;
    env.store.read(HEAD, (result) => {
      this.#writing = false;
      if (this.#ended) return;
      if (result === "unavailable" || result.entry === undefined) {
        listener.storage("unavailable", "the register");
        this.#writing = true;
        env.after(timing.beat * (0.5 + env.random()), () => {
          this.#writing = false;
          if (!this.#ended) this.#inquire(desired);
        });
        return;
      }
      const { value, revision } = result.entry;
      const head = parseHead(value);
      if (revision === this.#shared.revision) {
        // Not written, or not yet: then the next attempt will be refused, and we come here again.
        listener.storage("unavailable", "the register");
        this.#writing = true;
        env.after(timing.beat * 0.5 * env.random(), () => {
          this.#writing = false;
          this.#flush(true);
        });
      } else if (value === JSON.stringify(desired)) this.#written(desired, revision);
      // An earlier write of this leader's, which was carried out late: it counts like any other.
      else if (head !== undefined && head.term === this.#term && (head.leader ?? id) === id)
        this.#written(head, revision);
      else this.#office.deposed(result.entry);
    });
  }

  #written(head: Head, revision: number): void {
    const { env, listener, history } = this.#shared;
    const before = this.#shared.head;
    this.#shared.head = head;
    this.#shared.revision = revision;
    this.#writtenAt = env.now();
    listener.storage("recovered", "the register");
    if (head.halted !== undefined) {
      this.#ended = true;
      this.#broadcast();
      this.#office.halted(head.halted);
      return;
    }
    if (head.leader === null) {
      this.#ended = true;
      this.#broadcast();
      this.#office.resigned();
      return;
    }
    // The last but one is deleted: a member may be loading the last.
    const replaced = head.checkpoint?.blob === before.checkpoint?.blob ? null : before.checkpoint?.previous;
    if (replaced) env.store.deleteBlob(replaced);
    const root = this.#root;
    if (root !== undefined && samePosition(root.next, head)) {
      this.#startStep();
      this.#office.apply(root);
      this.#settled();
    } else if (samePosition(history.position, head)) this.#considerEnd(env.now());
    if (this.#desired !== head) this.#flush();
  }

  #maintainCheckpoint(now: number): void {
    const { head, timing, work } = this.#shared;
    const since = head.step - (head.checkpoint?.step ?? 0);
    const isLast = head.step >= work.target && (head.checkpoint === null || since > 0);
    if ((since >= timing.checkpointEvery || isLast) && now >= this.#saveAfter) this.#save();
  }

  #save(): void {
    const { env, work, head, history, timing, listener, id } = this.#shared;
    const position = positionOf(history.position);
    if (this.#saving || this.#ended || !samePosition(position, head)) return;
    const { checkpoint } = this.#desired;
    if (checkpoint !== null && samePosition(checkpoint, position)) return;
    this.#saving = true;
    const bytes = work.save();
    // A name of its own for each attempt: what becomes of an earlier one is not known.
    const blob = `checkpoint-${position.step}-${this.#term}-${id}-${++this.#saves}`;
    const digest = digestOf(bytes);
    env.store.putBlob(blob, bytes, (stored) => {
      this.#saving = false;
      if (this.#ended) return;
      listener.storage(stored ? "recovered" : "unavailable", "the checkpoint");
      if (stored) {
        const previous = this.#desired.checkpoint?.blob ?? null;
        this.#desired = { ...this.#desired, checkpoint: { ...position, blob, digest, previous } };
        this.#flush();
      } else {
        this.#saveAfter = env.now() + timing.lease;
        env.store.deleteBlob(blob); // a part of it may have arrived
      }
    });
  }

  /** At the target, or when asked to go: the state is stored, those who are behind get what they lack, the office is free. */
  #considerEnd(now: number): void {
    const { head, history, roster, timing, work } = this.#shared;
    if (this.#ended || !samePosition(history.position, head) || this.#root !== undefined) return;
    const isStored = head.checkpoint !== null && samePosition(head.checkpoint, head);
    if (this.#resigning) {
      if (roster.all.length > 0 || isStored || head.step === 0) this.#giveUp();
      else this.#save();
      return;
    }
    if (head.step < work.target || !isStored) return;
    const isWaited = now - (this.#reachedTargetAt ?? now) > timing.lease;
    if (isWaited || roster.all.every(({ position }) => samePosition(position, head))) this.#giveUp();
  }

  #giveUp(): void {
    if (this.#desired.leader === null) return;
    this.#desired = { ...this.#desired, leader: null };
    this.#flush();
  }

  /** A member whose parameters differ from this member's at the same position ends the run. */
  #compare({ from, digests }: BeatMessage): void {
    const own = digests && this.#shared.digests.find((ours) => samePosition(ours, digests));
    if (digests === undefined || own === undefined) return;
    const names = [...new Set([...Object.keys(own.values), ...Object.keys(digests.values)])];
    const different = names.filter((name) => own.values[name] !== digests.values[name]);
    if (different.length === 0) return;
    const where = different.slice(0, 5).join(", ") + (different.length > 5 ? `, and ${different.length - 5} more` : "");
    this.#halt(`after step ${own.step} member ${from} differs from member ${this.#shared.id} in ${where}`);
  }

  #compareSums({ first, size }: Block, member: string, payload: Uint8Array): void {
    const accepted = this.#accepted.get(`${first}:${size}`);
    if (!this.#shared.work.pure || accepted === undefined) return;
    if (digestOf(accepted.payload) === digestOf(payload)) return;
    const range = `micro-batches ${first} to ${first + size - 1}`;
    const step = this.#shared.head.step + 1;
    this.#halt(`in step ${step} member ${member} computed another sum of ${range} than member ${accepted.member}`);
  }

  #halt(reason: string): void {
    if (this.#desired.halted !== undefined) return;
    this.#desired = { ...this.#shared.head, halted: reason };
    this.#root = undefined;
    this.#flush();
  }
}

function positionOf({ step, chain }: Position): Position {
  return { step, chain };
}

function isBlock({ first, size }: Block, leaves: number, largest: number): boolean {
  const isPower = Number.isInteger(size) && size > 0 && size <= largest && Number.isInteger(Math.log2(size));
  return isPower && Number.isInteger(first) && first >= 0 && first < leaves && first % size === 0;
}

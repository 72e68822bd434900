import { digestOf } from "../digest.js";
import type { Block } from "../tree.js";
import { BlockQueue } from "./block-queue.js";
import type {
  Assignment,
  CheckpointRecord,
  Entry,
  Environment,
  Head,
  LeadMessage,
  Listener,
  Message,
  Position,
  Timing,
  Work,
} from "./environment.js";
import { History, type Root, samePosition } from "./history.js";
import { Leadership } from "./leadership.js";
import { Roster } from "./roster.js";
import { HEAD, parseHead, type Shared } from "./shared.js";

/**
 * A member of a run: computes what the leader assigns, applies the sums that are committed, and takes the lead when the
 * leader is silent. docs/decisions/0018-distributed.md has the protocol and why it is safe.
 */
export class Member {
  readonly #shared: Shared;
  #started = false;
  #stopped = false;
  #finished = false;
  #leadership: Leadership | undefined;
  #lead: LeadMessage | undefined;
  /** When the leader, or a change of the register, was last noticed. */
  #heardAt: number;
  #tickedAt: number;
  /** Since when this member lacks sums. */
  #behindSince: number | undefined;
  #reading = false;
  #taking = false;
  #loading = false;
  #leaving: (() => void) | undefined;
  readonly #blocks: BlockQueue;

  /** @param start the position of `work`: step 0, and a chain that only runs with the same description share */
  constructor(id: string, work: Work, start: Position, env: Environment, timing: Timing, listener: Listener) {
    const history = new History(start, timing.remembered);
    const head: Head = { term: 0, leader: null, ...start, checkpoint: null };
    const roster = new Roster(timing.lease);
    this.#shared = { id, env, work, timing, listener, history, roster, head, revision: 0, digests: [] };
    this.#blocks = new BlockQueue(id, work, env, timing, (base, block, sum) => this.#deliver(base, block, sum));
    this.#heardAt = env.now();
    this.#tickedAt = env.now();
  }

  get position(): Position {
    return this.#shared.history.position;
  }

  get head(): Head {
    return this.#shared.head;
  }

  get isLeading(): boolean {
    return this.#leadership !== undefined;
  }

  /** All members that this one knows, itself included. */
  get members(): string[] {
    const { id, roster } = this.#shared;
    return [id, ...roster.all.map((seen) => seen.id)].sort();
  }

  start(): void {
    this.#started = true;
    this.#shared.env.after(0, () => this.#tick());
    this.#read();
  }

  /** Goes on after `work.target` has grown. */
  continue(): void {
    if (this.#shared.history.position.step >= this.#shared.work.target) return;
    this.#finished = false;
    if (this.#leadership !== undefined) this.#leadership.begin();
    else {
      this.#advance();
      this.#read();
    }
  }

  /** Says goodbye; what only this member knows is stored first. Calls `done` once. */
  leave(done: () => void): void {
    const { env, timing } = this.#shared;
    if (this.#stopped || !this.#started) {
      done();
      return;
    }
    this.#leaving = done;
    if (this.#leadership === undefined) {
      this.#goodbye();
      return;
    }
    this.#leadership.resign();
    env.after(3 * timing.lease, () => this.#goodbye());
  }

  /** Ends at once, without a word, as a process that dies. */
  stop(): void {
    this.#stopped = true;
    this.#blocks.cancel();
    this.#leadership?.end();
    this.#leadership = undefined;
  }

  /** A message from another member. */
  receive(message: Message, payload: Uint8Array): void {
    const { id, env, head, history, roster, listener } = this.#shared;
    if (this.#stopped || message.from === id) return;
    const now = env.now();
    switch (message.type) {
      case "beat":
        if (roster.heard(message.from, now, { step: message.step, chain: message.chain }, message.done)) {
          listener.joined(message.from);
        }
        this.#leadership?.heard(message);
        break;
      case "part":
        roster.heard(message.from, now, message.base);
        this.#leadership?.receive(message, payload);
        break;
      case "root":
        history.receive(message.base, payload);
        this.#advance();
        break;
      case "lead":
        this.#follow(message);
        break;
      case "resync":
        if (message.term >= head.term && this.#leadership === undefined) this.#load(message.checkpoint);
        break;
      case "leave":
        if (roster.remove(message.from)) {
          listener.left(message.from);
          this.#leadership?.lost();
        }
    }
  }

  #tick(): void {
    if (this.#stopped) return;
    const { env, timing, roster, listener } = this.#shared;
    const now = env.now();
    env.after(timing.beat * (0.75 + 0.5 * env.random()), () => this.#tick());
    if (now - this.#tickedAt > timing.lease / 2 + timing.beat) {
      // This process was asleep. What came meanwhile is still in the queue, so nobody's silence means anything yet.
      roster.renewAll(now);
      this.#heardAt = now;
    }
    this.#tickedAt = now;
    if (this.#leadership !== undefined) {
      const gone = roster.expire(now);
      for (const member of gone) listener.left(member);
      if (gone.length > 0) this.#leadership.lost();
      this.#leadership.tick();
    } else {
      this.#beat();
      if (now - this.#heardAt > timing.lease) this.#read();
    }
  }

  /** A sign of life, to the leader, or to everybody while there is none. */
  #beat(): void {
    const { id, env, head, history, timing, digests } = this.#shared;
    const waited = this.#behindSince === undefined ? 0 : env.now() - this.#behindSince;
    const behind = this.#behindSince !== undefined && waited >= timing.beat / 2 && !this.#loading;
    const { step, chain } = history.position;
    const done = step >= this.#shared.work.target || this.#leaving !== undefined;
    const last = digests.at(-1);
    const silent = env.now() - this.#heardAt > timing.lease;
    const beat = { type: "beat", from: id, step, chain, behind, done } as const;
    env.send(silent ? null : head.leader, last === undefined ? beat : { ...beat, digests: last });
  }

  /** What the leader says, if it is news. */
  #follow(message: LeadMessage): void {
    const { env, head } = this.#shared;
    const last = this.#lead;
    const isNews =
      message.head.term > head.term ||
      (message.head.term === head.term && message.revision >= this.#shared.revision) ||
      message.head.halted !== undefined;
    if (!isNews) return;
    if (
      last?.head.term === message.head.term &&
      last.head.step === message.head.step &&
      last.attempt > message.attempt
    ) {
      return;
    }
    if (this.#leadership !== undefined) this.#depose();
    this.#heardAt = env.now();
    this.#lead = message;
    this.#adopt(message.head, message.revision);
    if (this.#stopped) return;
    this.#setMembers(message);
    this.#advance();
  }

  #setMembers({ from, members, head }: LeadMessage): void {
    const { id, env, roster, listener } = this.#shared;
    const present = new Set([...members, ...(head.leader === null ? [] : [from])]);
    present.delete(id);
    const { step, chain } = head;
    for (const member of present) {
      if (roster.heard(member, env.now(), { step, chain })) listener.joined(member);
    }
    for (const seen of roster.all) {
      if (present.has(seen.id)) continue;
      roster.remove(seen.id);
      listener.left(seen.id);
    }
  }

  /** The register as it is now known. */
  #adopt(head: Head, revision: number): void {
    const { listener } = this.#shared;
    const { leader } = this.#shared.head;
    this.#shared.head = head;
    this.#shared.revision = Math.max(revision, this.#shared.revision);
    if (head.halted !== undefined) {
      this.stop();
      listener.halted(head.halted);
      return;
    }
    if (leader !== head.leader) listener.leader(head.leader);
    if (head.leader === null) this.#soon(() => this.#read());
  }

  #soon(action: () => void): void {
    const { env, timing } = this.#shared;
    env.after(timing.beat * env.random(), () => {
      if (!this.#stopped) action();
    });
  }

  /** Reads the register; takes the lead if it has been silent for too long. */
  #read(): void {
    if (this.#stopped || this.#reading || this.#taking || this.#leadership !== undefined) return;
    const { env, listener } = this.#shared;
    this.#reading = true;
    env.store.read(HEAD, (result) => {
      this.#reading = false;
      if (this.#stopped || this.#leadership !== undefined) return;
      if (result === "unavailable") {
        listener.storage("unavailable", "the register");
        this.#soon(() => this.#read());
        return;
      }
      listener.storage("recovered", "the register");
      if (result.entry === undefined) this.#take();
      else this.#consider(result.entry);
    });
  }

  #consider(entry: Entry): void {
    const { env, timing, history, id, work } = this.#shared;
    const isNew = entry.revision > this.#shared.revision;
    if (entry.revision < this.#shared.revision) return;
    const head = parseHead(entry.value);
    if (head === undefined) return;
    if (isNew) {
      this.#heardAt = env.now();
      this.#adopt(head, entry.revision);
      if (this.#stopped) return;
    }
    const { step } = history.position;
    if (head.checkpoint !== null && head.checkpoint.step > step && this.#lead === undefined) {
      this.#load(head.checkpoint);
      return;
    }
    if (head.leader === id) {
      // A write of this member's that nobody answered.
      if (samePosition(head, history.position)) this.#becomeLeader();
      else this.#take();
      return;
    }
    const silence = env.now() - this.#heardAt;
    const isVacant = head.leader === null || silence > timing.lease;
    if (!isVacant) {
      this.#advance();
      return;
    }
    if (head.leader === null && step >= work.target && samePosition(head, history.position)) {
      // The last leader has gone after storing the end.
      if (head.checkpoint !== null && samePosition(head.checkpoint, head)) {
        this.#finish();
        return;
      }
    }
    if (head.checkpoint !== null && !this.#continues(head.checkpoint)) this.#load(head.checkpoint);
    else if (step >= head.step && (step > head.step || samePosition(head, history.position))) this.#take();
    // Somebody who has all committed steps should lead; after some more silence nobody has them.
    else if (silence > 3 * timing.lease) this.#take();
    else this.#soon(() => this.#read());
  }

  /** Whether this member's position came after a checkpoint: what is stored is never given up. */
  #continues(checkpoint: CheckpointRecord): boolean {
    const { history, work } = this.#shared;
    const { step, chain } = history.position;
    if (checkpoint.step >= step) return checkpoint.step === step && checkpoint.chain === chain;
    return work.pure || history.since(checkpoint) !== undefined;
  }

  /** Makes this member the leader, at its own position, unless another was faster. */
  #take(): void {
    const { env, id, history, head, revision } = this.#shared;
    if (this.#taking || this.#loading || this.#leaving !== undefined) return;
    const { step, chain } = history.position;
    const next: Head = { ...head, term: head.term + 1, leader: id, step, chain };
    this.#taking = true;
    env.store.write(HEAD, JSON.stringify(next), revision, (result) => {
      this.#taking = false;
      if (this.#stopped) return;
      if (typeof result !== "object") {
        this.#soon(() => this.#read());
        return;
      }
      if (result.revision < this.#shared.revision) return;
      this.#adopt(next, result.revision);
      if (samePosition(next, history.position)) this.#becomeLeader();
      else this.#take();
    });
  }

  #becomeLeader(): void {
    const { env, roster, history } = this.#shared;
    this.#behindSince = undefined;
    this.#lead = undefined;
    this.#blocks.cancel();
    const { step, chain } = history.position;
    for (const seen of roster.all) seen.position = { step, chain };
    roster.renewAll(env.now());
    this.#leadership = new Leadership(this.#shared, {
      apply: (root) => this.#apply(root),
      takeUp: (assignments) => this.#takeUp(assignments),
      deposed: (entry) => {
        this.#depose();
        this.#consider(entry);
      },
      resigned: () => {
        this.#depose();
        this.#shared.listener.leader(null);
        if (this.#leaving !== undefined) this.#goodbye();
        else this.#finish();
      },
      halted: (reason) => {
        this.stop();
        this.#shared.listener.halted(reason);
      },
    });
    this.#leadership.begin();
  }

  #depose(): void {
    this.#leadership?.end();
    this.#leadership = undefined;
    this.#blocks.cancel();
    this.#heardAt = this.#shared.env.now();
    if (this.#leaving !== undefined) this.#goodbye();
  }

  /** Applies what is committed and known, then takes up work. */
  #advance(): void {
    if (this.#stopped || this.#leadership !== undefined || this.#loading || this.#leaving !== undefined) return;
    const { history, head, work } = this.#shared;
    if (this.position.step < work.target) {
      for (const root of history.pathTo(head) ?? []) {
        this.#apply(root);
        if (this.position.step >= work.target) break;
      }
    }
    const isThere = samePosition(this.position, head);
    // Who has made its last step need not follow the others, but must know that its steps are theirs.
    const isKnown = isThere || (this.position.step >= work.target && history.pathTo(head) !== undefined);
    if (isKnown || this.position.step > head.step) this.#behindSince = undefined;
    else this.#behindSince ??= this.#shared.env.now();
    if (this.position.step >= work.target) {
      const isStored = head.checkpoint !== null && samePosition(head.checkpoint, this.position);
      if (isKnown && (isStored || head.step > this.position.step)) this.#finish();
      return;
    }
    const lead = this.#lead;
    if (isThere && lead !== undefined && samePosition(lead.head, head) && lead.head.term === head.term) {
      this.#takeUp(lead.assignments);
    }
  }

  #apply(root: Root): void {
    const { history, work, timing, listener } = this.#shared;
    this.#blocks.clear();
    work.apply(root.base.step, root.bytes);
    history.step(root);
    const { step, chain } = root.next;
    if (step % timing.compareEvery === 0 || step === work.target) {
      this.#shared.digests = [...this.#shared.digests.slice(-7), { step, chain, values: work.digests() }];
      if (this.#leadership === undefined) this.#beat();
    }
    listener.stepped(root.next);
  }

  #takeUp(assignments: readonly Assignment[]): void {
    const { step, chain } = this.position;
    if (!this.#stopped) this.#blocks.takeUp({ step, chain }, assignments, this.#leadership !== undefined);
  }

  #deliver(base: Position, block: Block, sum: Uint8Array): void {
    const { id, env, head } = this.#shared;
    const message = { from: id, base, ...block };
    if (this.#leadership !== undefined) this.#leadership.receive(message, sum);
    else if (head.leader !== null) env.send(head.leader, { type: "part", ...message }, sum);
  }

  #load(checkpoint: CheckpointRecord): void {
    if (this.#loading || this.#stopped || this.#leaving !== undefined) return;
    const { env, history, work, listener } = this.#shared;
    const { step, chain, blob, digest } = checkpoint;
    this.#loading = true;
    this.#blocks.cancel();
    env.store.getBlob(blob, (bytes) => {
      this.#loading = false;
      if (this.#stopped || this.#leadership !== undefined) return;
      if (bytes === undefined || digestOf(bytes) !== digest) {
        this.#soon(() => this.#read());
        return;
      }
      this.#blocks.clear();
      work.load(bytes);
      history.reset({ step, chain });
      this.#behindSince = undefined;
      listener.resynchronised({ step, chain });
      this.#advance();
      this.#beat();
      this.#read();
    });
  }

  #finish(): void {
    if (this.#finished || this.#stopped) return;
    this.#finished = true;
    this.#shared.listener.finished();
  }

  #goodbye(): void {
    if (this.#stopped) return;
    this.#shared.env.send(null, { type: "leave", from: this.#shared.id });
    this.stop();
    this.#leaving?.();
  }
}

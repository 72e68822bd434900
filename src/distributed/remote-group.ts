import { checkKeys, unexpected } from "../checks.js";
import { DisposedError, OptionError } from "../errors.js";
import { canonicalText, checkSame, type Description, startOf } from "./description.js";
import { DivergenceError, GroupError } from "./errors.js";
import { type Group, type GroupEvents, Listeners, type Session, type SessionListener, type Traffic } from "./group.js";
import { Assembler, decodeMessage, encodeHeader, Packetizer } from "./packets.js";
import type { Environment, Message, Position, Timing, Work } from "./protocol/environment.js";
import { Member } from "./protocol/member.js";
import { readTiming, type TimingOptions } from "./protocol/timing.js";
import { callbackStore } from "./transports/callback-store.js";
import type { Transport } from "./transports/transport.js";

/** Options of `joinGroup` and `joinDurableObject`. */
export interface GroupOptions extends TimingOptions {
  /** Name of the run: letters, digits, - and _. Members of one run have the same. */
  run: string;
  /** Beginning of this member's name; default "member". */
  name?: string;
}

const DESCRIPTION = "description";
const NOTHING = new Uint8Array(0);

/** @throws OptionError */
export function checkGroupOptions(options: GroupOptions, others: readonly string[]): void {
  checkKeys("options", options, ["run", "name", "lease", "checkpointEvery", "compareEvery", "startWith", ...others]);
  const { run, name = "member" } = options;
  for (const [key, value] of Object.entries({ run, name })) {
    if (typeof value !== "string" || !/^[\w-]{1,64}$/.test(value)) {
      throw unexpected(`options.${key}`, value, "1 to 64 letters, digits, - and _");
    }
  }
  readTiming(options, 0);
}

/** A name that no other member has. */
export function createMemberId({ name = "member" }: GroupOptions): string {
  return `${name}-${randomWord().toString(16).padStart(8, "0")}`;
}

/** A group whose members are connected by a transport. */
export class RemoteGroup implements Group {
  readonly id: string;
  readonly run: string;
  readonly #transport: Transport;
  readonly #options: GroupOptions;
  readonly #listeners = new Listeners();
  readonly #traffic = { bytesSent: 0, bytesReceived: 0, packetsDamaged: 0, sumsDropped: 0, waiting: 0 };
  #session: RemoteSession | undefined;
  #isClosed = false;

  constructor(transport: Transport, options: GroupOptions, id: string) {
    this.run = options.run;
    this.id = id;
    this.#transport = transport;
    this.#options = options;
  }

  get members(): readonly string[] {
    return this.#session?.member.members ?? [this.id];
  }

  get leader(): string | null {
    return this.#session?.member.head.leader ?? null;
  }

  get traffic(): Traffic {
    const { waiting } = this.#session ?? { waiting: 0 };
    return { ...this.#traffic, waiting };
  }

  on<Name extends keyof GroupEvents>(name: Name, listener: (value: GroupEvents[Name]) => void): () => void {
    return this.#listeners.on(name, listener);
  }

  async leave(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#session?.leave();
    await this.#transport.close();
  }

  async open(
    work: Work,
    description: Description,
    listener: SessionListener,
    { mustExist = false }: { readonly mustExist?: boolean } = {},
  ): Promise<Session> {
    if (this.#isClosed) throw new DisposedError("group was used after leave()");
    if (this.#session !== undefined) throw new OptionError("group trains already; join it once for each trainer");
    await this.#agree(description, mustExist);
    const timing = readTiming(this.#options, work.length);
    const session = new RemoteSession(this, work, startOf(description), timing, listener);
    this.#session = session;
    await session.begin();
    return session;
  }

  /** Publishes the run's description, or compares with the one that is there. */
  async #agree(description: Description, mustExist: boolean): Promise<void> {
    const { store } = this.#transport;
    let failure: unknown;
    for (let attempt = 0; attempt < 10; attempt++) {
      try {
        const entry = await store.read(DESCRIPTION);
        if (entry !== undefined) {
          checkSame(this.run, description, JSON.parse(entry.value));
          return;
        }
        if (mustExist) throw new GroupError(`run "${this.run}" does not exist, expected one to resume`);
        await store.write(DESCRIPTION, canonicalText(description), 0);
      } catch (error) {
        if (error instanceof GroupError) throw error;
        failure = error;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
    throw new GroupError(`the register of run "${this.run}" does not answer`, { cause: failure });
  }

  /** @internal */
  get transport(): Transport {
    return this.#transport;
  }

  /** @internal */
  emit<Name extends keyof GroupEvents>(name: Name, value: GroupEvents[Name]): void {
    this.#listeners.emit(name, value);
  }

  /** @internal */
  count(what: "bytesSent" | "bytesReceived" | "packetsDamaged" | "sumsDropped", by: number): void {
    this.#traffic[what] += by;
  }
}

/** The protocol's member, with real time, a real transport and a real store. */
class RemoteSession implements Session {
  readonly member: Member;
  readonly #group: RemoteGroup;
  readonly #sender = randomWord();
  readonly #work: Work;
  #resolve: () => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #ended: Promise<void>;
  #error: unknown;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #idleSince: number | undefined = performance.now();
  #waited = 0;
  #storage: string | undefined;

  constructor(group: RemoteGroup, work: Work, start: Position, timing: Timing, listener: SessionListener) {
    this.#group = group;
    this.#work = work;
    this.#ended = this.#promise();
    const environment = this.#environment();
    this.member = new Member(group.id, this.#timed(work), start, environment, timing, {
      joined: (member) => group.emit("joined", member),
      left: (member) => group.emit("left", member),
      leader: (member) => group.emit("leader", member),
      stepped: (position) => listener.stepped(position),
      resynchronised: (position) => {
        listener.resynchronised(position);
        group.emit("resynchronised", position);
      },
      storage: (state, what) => this.#note(state === "recovered" ? undefined : what),
      dropped: () => group.count("sumsDropped", 1),
      halted: (reason) => this.#fail(new DivergenceError(`run "${group.run}" was stopped: ${reason}`)),
      finished: () => this.#resolve(),
    });
  }

  get position(): Position {
    return this.member.position;
  }

  get waiting(): number {
    return this.#waited + (this.#idleSince === undefined ? 0 : performance.now() - this.#idleSince);
  }

  async begin(): Promise<void> {
    const { transport, id } = this.#group;
    const assembler = new Assembler(undefined, this.#sender);
    await transport.listen(id, (packet) => {
      this.#group.count("bytesReceived", packet.length);
      const { damaged } = assembler;
      const bytes = assembler.accept(packet);
      this.#group.count("packetsDamaged", assembler.damaged - damaged);
      const message = bytes === undefined ? undefined : decodeMessage(bytes);
      if (message !== undefined) this.#guard(() => this.member.receive(message.header as Message, message.payload));
    });
    void transport.closed.then((cause) => this.#fail(new GroupError("the connection is closed", { cause })));
    this.#guard(() => this.member.start());
  }

  async finished(): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    if (this.member.position.step < this.#work.target) {
      this.#ended = this.#promise();
      this.#guard(() => this.member.continue());
    }
    await this.#ended;
  }

  async leave(): Promise<void> {
    if (this.#error !== undefined) return;
    await new Promise<void>((resolve) => this.#guard(() => this.member.leave(resolve)));
    this.#error = new DisposedError("the session was used after leave()");
    this.#clearTimers();
    this.#resolve();
  }

  /** A process that has nothing else to do can end. */
  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #promise(): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    promise.catch(() => {}); // whoever waits sees it
    return promise;
  }

  /** Runs a part of the protocol; an error in it ends the session. */
  #guard(action: () => void): void {
    if (this.#error !== undefined) return;
    try {
      action();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.member.stop();
    this.#clearTimers();
    this.#reject(error);
  }

  #note(what: string | undefined): void {
    if (what === this.#storage) return;
    this.#storage = what;
    this.#group.emit("storage", what);
  }

  /** The work, with the time between computations counted. */
  #timed(work: Work): Work {
    const { leaves, largestBlock, pure, length } = work;
    return {
      leaves,
      largestBlock,
      pure,
      length,
      get target() {
        return work.target;
      },
      compute: (step, block, cancelled, done) => {
        if (this.#idleSince !== undefined) this.#waited += performance.now() - this.#idleSince;
        this.#idleSince = undefined;
        const finish = (sum: Uint8Array | undefined) => {
          this.#idleSince ??= performance.now();
          this.#guard(() => done(sum));
        };
        work.compute(step, block, cancelled, finish, (error) => this.#fail(error));
      },
      decode: (sum) => work.decode(sum),
      encodeRoot: (sum) => work.encodeRoot(sum),
      apply: (step, root) => work.apply(step, root),
      digests: () => work.digests(),
      save: () => work.save(),
      load: (bytes) => work.load(bytes),
    };
  }

  #environment(): Environment {
    const { transport, id } = this.#group;
    const packetizer = new Packetizer(transport.packetBytes, this.#sender);
    return {
      now: () => performance.now(),
      after: (milliseconds, callback) => {
        const timer = setTimeout(() => {
          this.#timers.delete(timer);
          this.#guard(callback);
        }, milliseconds);
        this.#timers.add(timer);
      },
      random: () => Math.random(),
      send: (to, message, payload) => {
        if (to === id) return;
        for (const packet of packetizer.split(encodeHeader(message), payload ?? NOTHING)) {
          this.#group.count("bytesSent", packet.length);
          transport.publish(to, packet);
        }
      },
      store: callbackStore(transport.store, (action) => this.#guard(action)),
    };
  }
}

/** Names and numbers that need to be different, not reproducible. */
function randomWord(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}

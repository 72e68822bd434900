import { Assembler, decodeMessage, encodeMessage, Packetizer } from "../../../src/distributed/packets.js";
import type { Head, Listener, Message, Timing } from "../../../src/distributed/protocol/environment.js";
import { Member } from "../../../src/distributed/protocol/member.js";
import { reference, SimulatedWork } from "./work.js";
import { type Faults, NO_FAULTS, Node, World } from "./world.js";

/** What a simulated run came to. */
export interface Outcome {
  readonly seed: number;
  /** What went wrong; undefined if nothing did. */
  readonly failure: string | undefined;
  readonly digest: string;
  readonly steps: number;
  readonly events: number;
  readonly time: number;
  readonly counts: Readonly<Record<string, number>>;
}

const TIMING: Timing = { lease: 300, beat: 60, checkpointEvery: 5, compareEvery: 3, startWith: 1, remembered: 4 };

interface Process {
  readonly node: Node;
  readonly member: Member;
  readonly work: SimulatedWork;
  isFinished: boolean;
}

/** What is broken on purpose: a simulation that passes with it would find nothing. */
export type Sabotage = "none" | "register" | "order of sums";

/** A cluster under a schedule of faults, all of it drawn from one seed. */
export class Cluster {
  readonly #seed: number;
  readonly #sabotage: Sabotage;
  readonly #world: World;
  readonly #leaves: number;
  readonly #target: number;
  readonly #isPure: boolean;
  readonly #expected: string[];
  readonly #processes: Process[] = [];
  readonly #counts: Record<string, number> = {};
  /** Digests by position, of work that is not pure: whoever is at a position has the same. */
  readonly #known = new Map<string, string>();
  #head: Head | undefined;
  #started = 0;
  #failure: string | undefined;

  constructor(seed: number, sabotage: Sabotage = "none") {
    this.#seed = seed;
    this.#sabotage = sabotage;
    this.#world = new World(seed);
    this.#world.isRegisterBroken = sabotage === "register";
    const { random } = this.#world;
    this.#leaves = [1, 2, 3, 4, 6, 8, 16][random.below(7)]!;
    this.#target = 8 + random.below(12);
    this.#isPure = random.below(4) > 0;
    this.#expected = this.#isPure ? reference(seed, this.#leaves, this.#target) : [];
  }

  run(): Outcome {
    const world = this.#world;
    const { random } = world;
    world.faults = this.#drawFaults();
    world.written = (value) => this.#checkHead(JSON.parse(value));
    const first = 1 + random.below(5);
    for (let i = 0; i < first; i++) world.after(random.below(200), () => this.#start());
    const quiet = 1000 + random.below(5000);
    this.#disturb(quiet);
    try {
      world.run(quiet, () => this.#failure !== undefined);
      world.faults = NO_FAULTS;
      world.isStoreDown = false;
      for (const node of world.nodes) {
        node.side = 0;
        node.pausedUntil = Math.min(node.pausedUntil, world.now);
      }
      const isOver = () => {
        // The last ones may have left before the end.
        if (this.#alive.length === 0) this.#start();
        return this.#failure !== undefined || this.#alive.every(({ isFinished }) => isFinished);
      };
      if (!world.run(quiet + 60_000, isOver)) this.#fail(`not finished: ${this.#describe()}`);
      this.#checkEnd();
    } catch (error) {
      this.#fail((error as Error).stack ?? String(error));
    }
    return {
      seed: this.#seed,
      failure: this.#failure,
      digest: this.#alive[0]?.work.digest ?? "",
      steps: this.#target,
      events: world.events,
      time: world.now,
      counts: this.#counts,
    };
  }

  get #alive(): Process[] {
    return this.#processes.filter(({ node }) => node.isAlive);
  }

  #drawFaults(): Faults {
    const { random } = this.#world;
    const some = (most: number) => (random.below(2) === 0 ? 0 : random.uniform() * most);
    return {
      loss: some(0.2),
      duplication: some(0.2),
      damage: some(0.05),
      latency: 1 + random.below(60),
      storeLoss: some(0.2),
      storeFull: some(0.5),
    };
  }

  /** Kills, pauses, partitions, joins, and an outage of the store, at random times until `quiet`. */
  #disturb(quiet: number): void {
    const world = this.#world;
    const { random } = world;
    const actions = [
      () => this.#kill(),
      () => this.#kill((process) => process.member.isLeading),
      () => this.#pause(),
      () => this.#partition(),
      () => this.#start(),
      () => this.#start(),
      () => this.#storeOutage(),
      () => this.#killAll(),
      () => this.#leave(),
    ];
    const interval = 100 + random.below(1500);
    for (let at = random.below(interval); at < quiet; at += 1 + random.below(2 * interval)) {
      const action = actions[random.below(actions.length)]!;
      world.after(at, action);
    }
  }

  #start(): void {
    const world = this.#world;
    if (this.#alive.length >= 6) return;
    const node = new Node(`m${++this.#started}`);
    const speed = world.random.below(6) === 0 ? 60 : 4;
    const spoil = this.#isPure ? 0 : this.#started / 16;
    const schedule = (action: () => void) => world.after(world.random.uniform() * speed, action, node);
    const work = new SimulatedWork(this.#seed, this.#leaves, this.#target, schedule, spoil);
    if (this.#sabotage === "order of sums") work.addsInReverse = this.#started % 2 === 0;
    const packetizer = new Packetizer(160, this.#started);
    const assembler = new Assembler(4096);
    const send = (to: string | null, message: Message, payload?: Uint8Array) => {
      const packets = packetizer.split(encodeMessage(message, payload));
      for (const other of world.nodes) {
        if (other === node || !other.isAlive || (to !== null && to !== other.id)) continue;
        for (const packet of packets) world.send(node, other, packet);
      }
    };
    const listener: Listener = {
      joined: () => this.#count("joined"),
      left: () => this.#count("left"),
      leader: () => this.#count("leader"),
      stepped: () => this.#check(process),
      resynchronised: () => {
        this.#count("resynchronised");
        this.#check(process);
      },
      storage: (state) => state === "unavailable" && this.#count("storage"),
      dropped: (what) => this.#count(what),
      halted: (reason) => this.#fail(`halted: ${reason}`),
      finished: () => {
        process.isFinished = true;
        // Some programs end here, others stay.
        if (world.random.below(2) === 0) process.member.leave(() => {});
      },
    };
    const member = new Member(node.id, work, work.start, world.environment(node, send), TIMING, listener);
    const process: Process = { node, member, work, isFinished: false };
    node.receive = (packet) => {
      const bytes = assembler.accept(packet);
      const message = bytes === undefined ? undefined : decodeMessage(bytes);
      if (message !== undefined) member.receive(message.header as Message, message.payload);
    };
    world.nodes.push(node);
    this.#processes.push(process);
    member.start();
  }

  #pick(among: (process: Process) => boolean = () => true): Process | undefined {
    const processes = this.#alive.filter(among);
    return processes.length === 0 ? undefined : processes[this.#world.random.below(processes.length)];
  }

  #kill(among?: (process: Process) => boolean): void {
    const process = this.#pick(among);
    if (process === undefined) return;
    this.#count("killed");
    process.node.isAlive = false;
    this.#world.nodes.splice(this.#world.nodes.indexOf(process.node), 1);
  }

  #killAll(): void {
    if (this.#world.random.below(3) > 0) return;
    while (this.#alive.length > 0) this.#kill();
    this.#world.after(this.#world.random.below(1000), () => this.#start());
  }

  #leave(): void {
    const process = this.#pick();
    if (process === undefined) return;
    this.#count("departed");
    process.member.leave(() => this.#kill((other) => other === process));
  }

  #pause(): void {
    const process = this.#pick();
    if (process !== undefined) process.node.pausedUntil = this.#world.now + this.#world.random.below(1500);
  }

  #partition(): void {
    const { random, nodes } = this.#world;
    for (const node of nodes) node.side = random.below(3) - 1;
    this.#world.after(random.below(1500), () => {
      for (const node of nodes) node.side = 0;
    });
  }

  #storeOutage(): void {
    this.#world.isStoreDown = true;
    this.#world.after(this.#world.random.below(1000), () => {
      this.#world.isStoreDown = false;
    });
  }

  #count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
  }

  /** Whoever is at a step has the bits that one process has there; at a position, those of whoever else was there. */
  #check({ node, work, member }: Process): void {
    const { step, chain } = member.position;
    const { digest } = work;
    const expected = this.#isPure ? this.#expected[step] : (this.#known.get(chain) ?? digest);
    this.#known.set(chain, digest);
    if (step !== work.step) this.#fail(`${node.id} is at step ${step}, its work at ${work.step}`);
    if (digest !== expected) this.#fail(`${node.id} has ${digest} after step ${step}, expected ${expected}`);
  }

  /** The register goes on only in ways that it may. */
  #checkHead(head: Head): void {
    const { checkpoint, term } = head;
    if (checkpoint !== null && !this.#world.hasBlob(checkpoint.blob)) this.#fail(`${checkpoint.blob} is not stored`);
    if (checkpoint !== null && head.step < checkpoint.step) this.#fail(`step ${head.step} is before the checkpoint`);
    const last = this.#head;
    const stored = last?.checkpoint ?? null;
    if (stored !== null && (checkpoint === null || checkpoint.step < stored.step))
      this.#fail("a checkpoint is given up");
    if (stored?.step === checkpoint?.step && stored?.chain !== checkpoint?.chain)
      this.#fail("a checkpoint is replaced");
    if (last !== undefined && (term < last.term || term > last.term + 1)) this.#fail(`term ${term} after ${last.term}`);
    if (last?.term === term && (head.step < last.step || head.step > last.step + 1)) {
      this.#fail(`step ${head.step} after ${last.step} in term ${term}`);
    }
    this.#head = head;
  }

  #checkEnd(): void {
    if (this.#failure !== undefined) return;
    const ends = this.#alive.map(({ work }) => `${work.step} ${work.digest}`);
    if (new Set(ends).size > 1) this.#fail(`the ends differ: ${ends}`);
    const head = JSON.parse(this.#world.entry("head")!);
    if (head.checkpoint?.step !== this.#target) this.#fail(`the end is not stored: ${JSON.stringify(head)}`);
    // A leader that dies, or whose store does not answer, may leave one behind; nobody leaves one at each step.
    const most = 3 + this.#started + (this.#counts["storage"] ?? 0);
    if (this.#world.blobCount > most) this.#fail(`${this.#world.blobCount} blobs are left`);
  }

  #fail(what: string): void {
    this.#failure ??= `${what} (t = ${this.#world.now.toFixed(1)})`;
  }

  #describe(): string {
    const states = this.#alive.map(({ node, member, isFinished }) => {
      const { step, chain } = member.position;
      return `${node.id}${member.isLeading ? "*" : ""}${isFinished ? " finished" : ""} ${step} ${chain.slice(0, 6)}`;
    });
    return `${states.join(", ")}; register ${this.#world.entry("head")}`;
  }
}

export function simulate(seed: number, sabotage: Sabotage = "none"): Outcome {
  return new Cluster(seed, sabotage).run();
}

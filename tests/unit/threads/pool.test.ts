import { afterEach, describe, expect, it } from "vitest";
import { Arena } from "../../../src/backend/arena.js";
import { operandsOf, ROW } from "../../../src/backend/threads/job-queue.js";
import { Pool, type PoolOptions } from "../../../src/backend/threads/pool.js";
import { type Spawn, spawnWorker, type WorkerHandle } from "../../../src/backend/threads/spawn.js";
import { binary as copies } from "../../../src/backend/wasm/binaries/copies.js";
import { compileBinary } from "../../../src/backend/wasm/instantiate.js";
import { BackendError } from "../../../src/index.js";

// Kernels of this test see their thread: the last of their 20 arguments is scratch, 64 bytes for each, from 0 on.
const CHUNK = [0x20, 0]; // get the first argument, the address of the chunk's counter
const THREAD = [0x20, 19];
const countAt = (address: number[]) => [...address, ...address, 0x28, 2, 0, 0x41, 1, 0x6a, 0x36, 2, 0]; // += 1
/** Counts down from the second argument: long enough for other threads to come. */
const SPIN = [0x03, 0x40, 0x20, 1, 0x41, 1, 0x6b, 0x22, 1, 0x0d, 0, 0x0b];
const UNREACHABLE = [0];
const FOREVER = [0x03, 0x40, 0x0c, 0, 0x0b];
const inWorkers = (body: number[]) => [...THREAD, 0x04, 0x40, ...body, 0x0b]; // if

/** A module over shared memory, with one function of this body. */
function moduleWith(...body: number[]): WebAssembly.Module {
  const section = (id: number, ...content: number[]) => [id, content.length, ...content];
  const shared = [3, 0x65, 0x6e, 0x76, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 3, 0, 0x80, 0x80, 4]; // env.memory
  return new WebAssembly.Module(
    Uint8Array.from([
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, 1, 0x60, 20, ...new Array<number>(20).fill(0x7f), 0),
      ...section(2, 1, ...shared),
      ...section(3, 1, 0),
      ...section(7, 1, 1, 0x66, 0, 0), // "f"
      ...section(10, 1, body.length + 2, 0, ...body, 0x0b),
    ]),
  );
}

const pools: Pool[] = [];
afterEach(() => {
  for (const pool of pools.splice(0)) pool.dispose();
});

/** A pool, and a function that makes a kernel known and returns what runs it on a number of chunks. */
function makePool(workers: number, options?: PoolOptions) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  const pool = new Pool(
    workers,
    memory,
    new Arena({ buffer: memory.buffer, grow: () => false }),
    compileBinary(copies, memory),
    options,
  );
  pools.push(pool);
  const counts = new Int32Array(memory.buffer);
  const learn = (...body: number[]) => {
    const module = moduleWith(...body);
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    const binary = pool.learn(module, exports, ["f"]);
    return (chunks: number, spin = 1): void => {
      for (let chunk = 0; chunk < chunks; chunk++) {
        const row = new Float64Array(ROW);
        row[0] = 1024 + chunk * 4;
        row[1] = spin;
        pool.queue.rows.set(row, chunk * ROW);
        pool.operands.chunk(operandsOf(chunk * ROW));
        pool.operands.scratch(19, 64);
      }
      expect(pool.reserveOperands(64)).toBe(true);
      pool.run(binary, 0, chunks, (some) => `chunks ${some.join(" ")} of ${chunks}`);
    };
  };
  /** How often each chunk ran since the last call. */
  const ran = (chunks: number): number[] => {
    const result = [...counts.subarray(256, 256 + chunks)];
    counts.fill(0, 256);
    return result;
  };
  /** How many chunks each thread has computed. */
  const byThread = (threads: number): number[] => Array.from({ length: threads }, (_, thread) => counts[thread * 16]!);
  return { pool, learn, ran, byThread };
}

const LONG = 1_000_000;

/** What a call throws, if anything. */
function failureOf(call: () => void): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  return undefined as unknown as Error;
}

/** Lets the event loop turn until something has happened. */
async function until(happened: () => boolean): Promise<void> {
  for (let i = 0; !happened(); i++) {
    if (i === 1000) expect.fail(`it has not happened: ${happened}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

describe("a pool of threads", () => {
  it.each([0, 1, 3])("computes every chunk exactly once with %i workers", async (workers) => {
    const { pool, learn, ran, byThread } = makePool(workers);
    const run = learn(...countAt(CHUNK), ...countAt(THREAD), ...SPIN);
    await pool.start();
    expect(pool.reason).toBe(workers === 0 ? "one thread" : `${workers + 1} threads`);
    let total = 0;
    for (let i = 0; i < 3000; i++) {
      const chunks = 1 + (i % 64);
      total += chunks;
      run(chunks, 1 + (i % 50));
      expect(ran(chunks)).toEqual(new Array(chunks).fill(1));
    }
    expect(byThread(workers + 1).reduce((a, b) => a + b)).toBe(total);
  });

  it("shares the work between all threads", async () => {
    const { pool, learn, byThread } = makePool(2);
    const run = learn(...countAt(THREAD), ...SPIN);
    await pool.start();
    await until(() => {
      run(16, LONG);
      return byThread(3).every((count) => count > 0);
    });
  });

  it("runs kernels that workers have not taken in yet, and shares them as soon as they have", async () => {
    const held: (() => void)[] = [];
    let isHolding = false;
    const slow: Spawn = (listener) => {
      const worker = spawnWorker(listener);
      const post: WorkerHandle["post"] = (message) => worker.post(message);
      return { ...worker, post: (message) => (isHolding ? held.push(() => post(message)) : post(message)) };
    };
    const { pool, learn, ran, byThread } = makePool(2, { spawn: slow });
    learn();
    await pool.start();
    isHolding = true;
    const run = learn(...countAt(CHUNK), ...countAt(THREAD), ...SPIN);
    run(8);
    expect(byThread(3)).toEqual([8, 0, 0]);
    expect(ran(8)).toEqual(new Array(8).fill(1));
    for (const post of held) post();
    await until(() => {
      run(16, LONG);
      return byThread(3).every((count) => count > 0);
    });
  });

  it("breaks when a kernel fails on the caller, with what it threw as cause", async () => {
    for (let thrown = 0; thrown < 5; ) {
      const { pool, learn } = makePool(2);
      const good = learn(...countAt(CHUNK));
      const bad = learn(...SPIN, ...UNREACHABLE); // in workers too: they may be faster, and leave none to this thread
      await pool.start();
      const error = failureOf(() => bad(8, 1000));
      expect(error).toBeInstanceOf(BackendError);
      expect(error.message).toMatch(/^a kernel failed in the middle of chunks [\d ]+ of 8/);
      if (error.cause instanceof WebAssembly.RuntimeError) thrown++;
      expect(() => good(8)).toThrow(/^the core cannot be used any more: a kernel failed in the middle of chunks/);
      expect(pool.broken).toBe(error.message);
      pool.dispose();
    }
  });

  it("does not wait for chunks that nobody had claimed when the caller threw", async () => {
    const asleep: Spawn = (listener) => ({
      post: () => setTimeout(() => listener.answered(""), 1),
      release() {},
      terminate() {},
    });
    const { pool, learn } = makePool(1, { spawn: asleep, patienceMilliseconds: 50 });
    const bad = learn(...UNREACHABLE);
    await pool.start();
    expect(failureOf(() => bad(3)).message).toMatch(
      /^a kernel failed in the middle of chunks 0 1 2 of 3 are lost, everything else is complete \(2 threads\)/,
    );
    expect(pool.threads).toBe(2); // the worker was not given up
  });

  it.each([
    ["fails", UNREACHABLE, "its kernel failed"],
    ["does not end", FOREVER, "it did not finish its share of a job"],
  ])("computes the chunks of a worker whose kernel %s, and goes on without it", async (_, body, why) => {
    const { pool, learn, ran } = makePool(1, { eager: true, patienceMilliseconds: 50 });
    const good = learn(...countAt(CHUNK));
    const bad = learn(...SPIN, ...inWorkers(body), ...countAt(CHUNK));
    await pool.start();
    await until(() => {
      bad(16, 10_000);
      expect(ran(16)).toEqual(new Array(16).fill(1));
      return pool.threads === 1;
    });
    expect(pool.reason).toBe(`one thread; 1 of 1 workers ended: ${why}`);
    expect(pool.broken).toBeUndefined();
    good(8);
    expect(ran(8)).toEqual(new Array(8).fill(1));
  });
});

describe("workers that are not there", () => {
  const never: WorkerHandle = { post() {}, release() {}, terminate() {} };

  it.each<[string, Spawn, RegExp]>([
    [
      "cannot be made",
      () => {
        throw new Error("this runtime has no workers");
      },
      /this runtime has no workers/,
    ],
    ["do not answer", () => never, /was not ready after 2000 ms/],
    [
      "end at once",
      (listener) => {
        setTimeout(() => listener.ended("out of memory"), 1);
        return never;
      },
      /out of memory/,
    ],
    [
      "refuse the binary",
      (listener) => ({ ...never, post: () => setTimeout(() => listener.answered("LinkError: no"), 1) }),
      /LinkError: no/,
    ],
    [
      "cannot be written to",
      () => ({
        ...never,
        post() {
          throw new Error("DataCloneError");
        },
      }),
      /DataCloneError/,
    ],
  ])("are counted when they %s", async (_, spawn, reason) => {
    let spawned = 0;
    const second: Spawn = (listener) => (++spawned === 2 ? spawn(listener) : spawnWorker(listener));
    const { pool, learn, ran } = makePool(2, {
      spawn: second,
      startMilliseconds: reason.source.includes("2000") ? 2000 : 20_000,
    });
    const run = learn(...countAt(CHUNK));
    await pool.start();
    expect(pool.reason).toMatch(/threads?; .*1 of 2 workers did not start: /);
    expect(pool.reason).toMatch(reason);
    run(8);
    expect(ran(8)).toEqual(new Array(8).fill(1));
  });

  it("leave their work to the others when they end between two jobs", async () => {
    const handles: WorkerHandle[] = [];
    const spawn: Spawn = (listener) => {
      handles.push(spawnWorker(listener));
      return handles.at(-1)!;
    };
    const { pool, learn, ran } = makePool(2, { spawn });
    const run = learn(...countAt(CHUNK), ...SPIN);
    await pool.start();
    for (const [index, left] of ["2 threads", "one thread"].entries()) {
      handles[index]!.terminate();
      for (let i = 0; i < 50; i++) {
        run(16, 1000);
        expect(ran(16)).toEqual(new Array(16).fill(1));
      }
      await until(() => pool.threads === 2 - index);
      expect(pool.reason).toBe(`${left}; ${index + 1} of 2 workers ended: it ended with code 1`);
    }
    run(16);
  });

  it("are gone after dispose, and not called failures", async () => {
    let ended = 0;
    const spawn: Spawn = (listener) =>
      spawnWorker({
        ...listener,
        ended(reason) {
          ended++;
          listener.ended(reason);
        },
      });
    const { pool, learn, ran } = makePool(3, { spawn });
    const run = learn(...countAt(CHUNK));
    await pool.start();
    run(8);
    pool.dispose();
    pool.dispose();
    await until(() => ended === 3);
    expect(pool.reason).toBe("one thread");
    ran(8);
    run(8);
    expect(ran(8)).toEqual(new Array(8).fill(1));
  });
});

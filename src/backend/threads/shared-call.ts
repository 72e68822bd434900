import type { Cut } from "../family.js";
import { ARGUMENTS, type Kernel, MAX_CHUNKS, operandsOf, ROW } from "./job-queue.js";
import { COPY_BACK, COPY_IN, type OperandWriter } from "./operands.js";
import { type Describe, type Pool, rangesOf } from "./pool.js";

/** Multiply-adds from which sharing gains: when workers are awake, and when they must be woken first. */
export const GAINS_AWAKE = 56 ** 3;
export const GAINS_ASLEEP = 160 ** 3;
/** Pieces for each thread: the last ones even out what the first ones left uneven. With scratch there is one. */
const CHUNKS_PER_THREAD = 2;

const USES = { read: COPY_IN, write: COPY_BACK, update: COPY_IN | COPY_BACK } as const;

/**
 * A kernel whose calls are cut along one argument and computed on all threads.
 *
 * @param one the kernel on the caller's thread
 * @param run computes this number of rows of the queue
 */
export function sharedCall(
  pool: Pool,
  name: string,
  cut: Cut,
  one: Kernel,
  run: (chunks: number, describe: Describe) => void,
): Kernel {
  const { rows } = pool.queue;
  const writer: OperandWriter = pool.operands;
  const args = new Float64Array(ARGUMENTS);
  /** Those of a piece. */
  const piece = new Float64Array(ARGUMENTS);
  const { count, steps, scratch, operands } = cut;
  const moves = Object.entries(steps).map(([index, step]) => ({ index: Number(index), step }));
  /** What each move is in this call. */
  const distances = new Float64Array(moves.length);
  /** Where the chunks of the last call begin, and where the last one ends. */
  const starts = new Float64Array(MAX_CHUNKS + 1);
  const describe: Describe = (chunks) => {
    const ranges = rangesOf(chunks.map((chunk) => [starts[chunk]!, starts[chunk + 1]!]));
    return `${name}: units ${ranges} of ${args[count]} of its result`;
  };

  /** Notes what the piece in a row of the queue has copies of. */
  function note(at: number, words: Int32Array): void {
    writer.chunk(operandsOf(at));
    for (let i = 0; i < ARGUMENTS; i++) piece[i] = rows[at + i]!;
    for (let i = 0; i < operands.length; i++) {
      const { argument, use, offset, blocks, blockStride, rows: of, stride, bytes } = operands[i]!;
      if (piece[argument] === 0) continue;
      writer.blocks(
        argument,
        USES[use],
        offset?.(piece, words) ?? 0,
        blocks?.(piece, words) ?? 1,
        blockStride?.(piece, words) ?? 0,
        of?.(piece, words) ?? 1,
        stride?.(piece, words) ?? 0,
        bytes(piece, words),
      );
    }
    if (scratch !== undefined) writer.scratch(scratch.argument, scratch.bytes(args, words));
  }

  /** Computes the call on all threads; false if it cannot be cut. */
  function share(): boolean {
    const units = args[count]!;
    const grain = typeof cut.grain === "function" ? cut.grain(args) : (cut.grain ?? 1);
    const most = pool.threads * (scratch === undefined ? CHUNKS_PER_THREAD : 1);
    const chunks = Math.min(most, Math.floor(units / grain), MAX_CHUNKS);
    if (chunks < 2) return false;
    for (let i = 0; i < moves.length; i++) {
      const { step } = moves[i]!;
      distances[i] = typeof step === "number" ? step : step(args, pool.words);
    }
    const { words } = pool;
    writer.begin();
    let start = 0;
    for (let chunk = 0; chunk < chunks; chunk++) {
      const at = chunk * ROW;
      const end = chunk + 1 === chunks ? units : Math.round(((chunk + 1) * units) / chunks / grain) * grain;
      starts[chunk] = start;
      rows.set(args, at);
      rows[at + count] = end - start;
      for (let i = 0; i < moves.length; i++) {
        const { index } = moves[i]!;
        // The number of the first unit moves from 0 on; an address of 0 is absent.
        if (args[index] !== 0 || distances[i] === 1) rows[at + index]! += start * distances[i]!;
      }
      note(at, words);
      start = end;
    }
    starts[chunks] = units;
    if (!pool.reserveOperands(writer.bytes)) return false;
    run(chunks, describe);
    return true;
  }

  // biome-ignore format: the arguments are written out because a rest parameter would allocate
  return (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t) => {
    args[0] = a!; args[1] = b!; args[2] = c!; args[3] = d!; args[4] = e!; args[5] = f!; args[6] = g!;
    args[7] = h!; args[8] = i!; args[9] = j!; args[10] = k!; args[11] = l!; args[12] = m!; args[13] = n!;
    args[14] = o!; args[15] = p!; args[16] = q!; args[17] = r!; args[18] = s!; args[19] = t!;
    if (pool.isWorthwhile(cut.work(args, pool.words), GAINS_AWAKE, GAINS_ASLEEP) && share()) return;
    one(a!, b!, c!, d!, e!, f!, g!, h!, i!, j!, k!, l!, m!, n!, o!, p!, q!, r!, s!, t!);
  };
}

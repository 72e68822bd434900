// Training that goes on and on in any runtime, for soak.test.mjs: networks, threads and tensors come and go, batches change.
import { AdamW, createCore } from "lanewise";
import { dense, dropout, layerNorm, relu, Sequential, softmaxCrossEntropy, Trainer } from "lanewise/nn";

const ROWS = 64;
const FEATURES = 8;
const STEPS_OF_A_ROUND = 100;
/** Rounds until memory is as large as it becomes. */
const WARM_UP = 10;
const ROUNDS_BETWEEN_THREADS = 100;

/** Integers from 0 to `end` − 1, the same everywhere. */
function integersFrom(seed) {
  let state = seed;
  return (end) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * end);
  };
}

const x = Float32Array.from({ length: ROWS * FEATURES }, (_, i) => ((i * 37) % 101) / 101);
const y = Uint8Array.from({ length: ROWS }, (_, i) => i % 3);

/** Trains a new network, and returns its bits. */
function trainOne(core, integer) {
  const layers = [dense(4 + integer(12)), relu(), layerNorm(), dropout(0.5), dense(3)];
  const model = new Sequential(core, layers, { inputShape: [FEATURES], seed: integer(1000) });
  const optimizer = (parameters) => new AdamW(core, parameters);
  const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer });
  for (let step = 0; step < STEPS_OF_A_ROUND; step++) {
    const rows = 1 + integer(ROWS);
    trainer.step(x.subarray(0, rows * FEATURES), y.subarray(0, rows));
  }
  core.tensor([integer(100_000)]).dispose();
  const { data } = model.predict(x);
  const bits = new Uint32Array(data.slice().buffer);
  trainer.dispose();
  model.dispose();
  return bits;
}

/** Trains for `steps` steps; what memory was used after the first rounds and at the end, and a digest of all results. */
export async function soak({ steps, seed }) {
  const start = performance.now();
  const core = await createCore();
  const integer = integersFrom(seed);
  let digest = 0x811c9dc5;
  const note = (bits) => {
    for (const word of bits) digest = Math.imul(digest ^ word, 0x01000193) >>> 0;
  };
  core.scope(() => trainOne(core, (end) => end - 1)); // the largest of everything
  let first;
  const rounds = Math.ceil(steps / STEPS_OF_A_ROUND);
  for (let round = 0; round < rounds; round++) {
    note(core.scope(() => trainOne(core, integer)));
    if (round % ROUNDS_BETWEEN_THREADS === 0) {
      const threaded = await createCore({ threads: 2 });
      note(threaded.scope(() => trainOne(threaded, integer)));
      threaded.dispose();
    }
    if (round === WARM_UP) first = core.memory;
    if (round % WARM_UP === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  const last = core.memory;
  const numbers = ({ bytesInUse, bytesReserved }) => ({ bytesInUse, bytesReserved });
  const seconds = Math.round((performance.now() - start) / 1000);
  return { rounds, seconds, digest, first: numbers(first), last: numbers(last) };
}

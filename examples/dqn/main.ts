// Deep Q-learning (Mnih et al., Nature 2015) balances a pole: replay memory, target network, clipped errors, and the
// paper's centered RMSProp: learning rate 2.5e-4, decay 0.95 of both means, 0.01 inside the root.
import { createCore, RMSProp } from "lanewise";
import { dense, Random, Sequential } from "lanewise/nn";
import { runAsMain } from "../main.js";
import { savePlot } from "../plot.js";
import { conclude, quick } from "../training.js";
import { hasFallen, push, type State, start } from "./cart-pole.js";

const BATCH = 32;
const DISCOUNT = 0.99;
const LONGEST = 500;
const MEMORY = 50_000;
const RANDOM_STEPS = 1000;
/** Steps until the share of random actions has fallen from 1 to 0.05. */
const EXPLORATION = 10_000;
const TARGET_EVERY = 500;
const TEST_EVERY = 2000;
const TESTS = 100;

/** What CartPole-v1 counts as solved: the mean length of 100 episodes. */
export const SOLVED = 475;

/** A test of what was learned, without random actions. */
export interface Test {
  readonly step: number;
  /** Mean steps for which the pole stays up, of at most 500, over 100 episodes. */
  readonly length: number;
}

interface Transition {
  readonly state: State;
  readonly action: number;
  readonly next: State;
  readonly fallen: boolean;
}

/** Learns until a test is at least `goal`, or for `steps`; yields every test. */
export async function* run(steps: number, goal: number, seed = 0): AsyncGenerator<Test> {
  using core = await createCore();
  const random = new Random(seed);
  const layers = () => [dense(128, { activation: "relu" }), dense(128, { activation: "relu" }), dense(2)];
  using model = new Sequential(core, layers(), { inputShape: [4], seed });
  using target = new Sequential(core, layers(), { inputShape: [4], seed });
  using optimizer = new RMSProp(core, model.parameters, {
    learningRate: 2.5e-4,
    decay: 0.95,
    eps: 0.01,
    centered: true,
  });
  const best = (state: State): number => {
    const [left, right] = model.forward(state as unknown as number[]).data;
    return Number(right! > left!);
  };
  const memory: Transition[] = [];
  const states = core.tensor([BATCH, 4]);
  const nextStates = core.tensor([BATCH, 4]);
  const dy = core.tensor([BATCH, 2]);

  /** One step on transitions from the memory: the gradient of each error is clipped to ±1. */
  const learn = () => {
    const batch = Array.from({ length: BATCH }, () => memory[random.below(memory.length)]!);
    for (const [row, { state, next }] of batch.entries()) {
      states.data.set(state, 4 * row);
      nextStates.data.set(next, 4 * row);
    }
    const { data: future } = target.forward(nextStates);
    const { data: values } = model.forward(states, { training: true });
    dy.data.fill(0);
    for (const [row, { action, fallen }] of batch.entries()) {
      const goal = 1 + (fallen ? 0 : DISCOUNT * Math.max(future[2 * row]!, future[2 * row + 1]!));
      const error = values[2 * row + action]! - goal;
      dy.data[2 * row + action] = Math.min(Math.max(error, -1), 1);
    }
    model.backward(dy);
    optimizer.step(model.gradients);
  };
  const test = (): number => {
    const fresh = new Random(seed + 1);
    let total = 0;
    for (let episode = 0; episode < TESTS; episode++) {
      let state = start(fresh);
      for (let t = 0; t < LONGEST && !hasFallen(state); t++, total++) state = push(state, best(state));
    }
    return total / TESTS;
  };

  let state = start(random);
  let time = 0;
  for (let step = 1; step <= steps; step++) {
    const share = Math.max(0.05, 1 - (0.95 * (step - RANDOM_STEPS)) / EXPLORATION);
    const action = random.uniform() < share ? random.below(2) : best(state);
    const next = push(state, action);
    const fallen = hasFallen(next);
    memory[(step - 1) % MEMORY] = { state, action, next, fallen };
    time++;
    state = fallen || time === LONGEST ? start(random) : next;
    if (fallen || time === LONGEST) time = 0;
    if (step > RANDOM_STEPS) learn();
    if (step % TARGET_EVERY === 0) {
      for (const [name, parameter] of Object.entries(model.parameters)) target.parameters[name]!.set(parameter.data);
    }
    if (step % TEST_EVERY === 0) {
      const length = test();
      yield { step, length };
      if (length >= goal) return;
    }
  }
}

await runAsMain(import.meta.url, async () => {
  const goal = quick ? 100 : SOLVED;
  console.log("CartPole: mean steps for which the pole stays up, of 500, over 100 episodes without random actions\n");
  const tests: Test[] = [{ step: 0, length: 9 }];
  for await (const test of run(quick ? 20_000 : 150_000, goal)) {
    tests.push(test);
    const bar = "█".repeat(Math.round(test.length / 10));
    console.log(`${String(test.step).padStart(7)} ${test.length.toFixed(1).padStart(6)} ${bar}`);
  }
  savePlot(
    "dqn",
    "Deep Q-learning on CartPole",
    { "steps for which the pole stays up": tests.map(({ step, length }) => [step, length]) },
    { x: { label: "steps of experience" }, y: { label: "mean of 100 episodes", domain: [0, LONGEST] } },
  );
  conclude("steps for which the pole stays up", tests.at(-1)!.length, { atLeast: goal });
});

// The training of a Wasserstein GAN (Arjovsky, Chintala & Bottou 2017) with the paper's settings: RMSProp with learning
// rate 5e-5, weights of the critic clipped to ±0.01, 5 steps of the critic to one of the generator, batches of 64.
import { type Core, RMSProp, type Tensor } from "lanewise";
import { Random, type Sequential } from "lanewise/nn";

export const BATCH = 64;
const CRITIC_STEPS = 5;
const CLIP = 0.01;

/** The two networks; the core owns their memory. */
export interface Networks {
  /** Makes a row of data from a row of noise. */
  readonly generator: Sequential;
  /** Gives a row of data a score: the higher, the more real it looks. */
  readonly critic: Sequential;
}

/** Two networks in training. */
export class Wgan {
  /** The critic's estimate of the distance at its last step: mean over real rows less mean over generated ones. */
  distance = 0;
  readonly random = new Random(0);
  readonly #networks: Networks;
  readonly #noise: Tensor;
  readonly #both: Tensor;
  readonly #optimizers: { readonly generator: RMSProp; readonly critic: RMSProp };
  readonly #gradients: { readonly generator: Tensor; readonly critic: Tensor };

  constructor(core: Core, networks: Networks) {
    const { generator, critic } = networks;
    this.#networks = networks;
    this.#noise = core.tensor([BATCH, ...generator.inputShape]);
    // Real rows above generated ones: the critic's loss is their mean below less their mean above.
    this.#both = core.tensor([2 * BATCH, ...critic.inputShape]);
    this.#gradients = {
      generator: core.tensor([BATCH, 1], () => -1 / BATCH),
      critic: core.tensor([2 * BATCH, 1], (i) => (i < BATCH ? -1 : 1) / BATCH),
    };
    // PyTorch's adds ε outside the root: the gradients are so small that √(v + 1e-8) would be mostly ε.
    const rmsprop = ({ parameters }: Sequential) =>
      new RMSProp(core, parameters, { dialect: "pytorch", learningRate: 5e-5 });
    this.#optimizers = { generator: rmsprop(generator), critic: rmsprop(critic) };
  }

  /** A batch of generated rows, valid until the next call. */
  generate(): Tensor {
    this.#noise.set(() => this.random.normal());
    return this.#networks.generator.forward(this.#noise, { training: true });
  }

  /**
   * One step of the generator, after those of the critic.
   *
   * @param writeReal writes a batch of real rows
   */
  step(writeReal: (rows: Float32Array) => void): void {
    const { generator, critic } = this.#networks;
    for (let i = 0; i < CRITIC_STEPS; i++) this.#trainCritic(writeReal);
    critic.forward(this.generate(), { training: true });
    generator.backward(critic.backward(this.#gradients.generator));
    this.#optimizers.generator.step(generator.gradients);
  }

  #trainCritic(writeReal: (rows: Float32Array) => void): void {
    const { critic } = this.#networks;
    const generated = this.generate();
    const { data } = this.#both;
    writeReal(data.subarray(0, generated.size));
    data.set(generated.data, generated.size);
    const scores = critic.forward(this.#both, { training: true }).data;
    this.distance = scores.reduce((sum, score, row) => sum + (row < BATCH ? score : -score), 0) / BATCH;
    critic.backward(this.#gradients.critic);
    this.#optimizers.critic.step(critic.gradients);
    for (const { data: weights } of Object.values(critic.parameters)) {
      for (let i = 0; i < weights.length; i++) weights[i] = Math.min(Math.max(weights[i]!, -CLIP), CLIP);
    }
  }
}

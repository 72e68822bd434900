// DiLoCo against synchronous training on the digits: loss, accuracy, and the bytes that each member sends and receives in
// an epoch. `npm run example:diloco`
import { createCore, RMSProp } from "lanewise";
import { DiLoCo, type DiLoCoOptions, DistributedTrainer, LocalGroup } from "lanewise/distributed";
import { dense, relu, Sequential, softmaxCrossEntropy, Trainer } from "lanewise/nn";
import { loadDigits } from "../digits/data.js";
import { conclude, quick } from "../training.js";

const { train, test } = loadDigits(8000, 0);
const [data, validation] = [train, test].map(({ images, labels }) => ({ x: images, y: labels })) as [Rows, Rows];
type Rows = { x: Float32Array; y: Uint8Array };

const EPOCHS = quick ? 2 : 20;
const SLOTS = 4;
const LOCAL_BATCH = 16;

interface Row {
  readonly name: string;
  readonly options?: DiLoCoOptions;
  /** Bytes that a parameter takes to the leader and back. */
  readonly bytes: number;
}

const rows: Row[] = [
  { name: "synchronous, 64 rows a step", bytes: 8 },
  { name: "DiLoCo, 5 local steps", options: { localSteps: 5 }, bytes: 8 },
  { name: "DiLoCo, 20 local steps", options: { localSteps: 20 }, bytes: 8 },
  { name: "DiLoCo, 20, bfloat16", options: { localSteps: 20, compression: "bfloat16" }, bytes: 4 },
  { name: "DiLoCo, 20, int8", options: { localSteps: 20, compression: "int8" }, bytes: 1 + 4 / 128 + 2 },
];

const core = await createCore();
console.log("| training | loss | held-out loss | held-out accuracy | bytes a parameter, member and epoch |");
console.log("|---|---|---|---|---|");
const accuracies: number[] = [];
for (const { name, options, bytes } of rows) {
  const model = new Sequential(core, [dense(train.images.length / train.count, 64), relu(), dense(64, 10)], {
    seed: 0,
  });
  const optimizer = (parameters: typeof model.parameters) => new RMSProp(core, parameters, { learningRate: 1e-3 });
  const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer });
  const group = new LocalGroup();
  const distributed =
    options === undefined
      ? new DistributedTrainer(trainer, group, { microBatches: SLOTS })
      : new DiLoCo(trainer, group, { slots: SLOTS, ...options });
  let exchanges = 0;
  const history = await distributed.fit(data, {
    epochs: EPOCHS,
    batchSize: options === undefined ? SLOTS * LOCAL_BATCH : LOCAL_BATCH,
    validation,
    onProgress: () => exchanges++,
  });
  const { loss, validation: held } = history.at(-1)!;
  const cells = [
    name,
    loss.toFixed(4),
    held!.loss.toFixed(4),
    `${(100 * held!.accuracy).toFixed(1)} %`,
    ((exchanges / EPOCHS) * bytes).toFixed(1),
  ];
  console.log(`| ${cells.join(" | ")} |`);
  accuracies.push(held!.accuracy);
  trainer.dispose();
  model.dispose();
}
core.dispose();
conclude("least held-out accuracy", Math.min(...accuracies), { atLeast: quick ? 0.8 : 0.9 });

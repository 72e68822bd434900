// What `lanewise worker --program` trains.
import { SGD } from "lanewise";
import { dense, meanSquaredError, Sequential, Trainer } from "lanewise/nn";

export default (core) => {
  const model = new Sequential(core, [dense(1, 1)], { seed: 3 });
  const optimizer = (parameters) => new SGD(core, parameters, { learningRate: 0.1 });
  const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer });
  const x = Float32Array.from({ length: 64 }, (_, i) => i / 64);
  return { trainer, data: { x, y: x.map((value) => 2 * value + 1) }, options: { microBatches: 4 } };
};

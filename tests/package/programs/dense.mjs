import { createCoreSync, RMSProp } from "lanewise";
import { dense, meanSquaredError, relu, Sequential, Trainer } from "lanewise/nn";

const core = createCoreSync();
const model = new Sequential(core, [dense(2, 3), relu(), dense(3, 1)]);
const optimizer = (parameters) => new RMSProp(core, parameters);
const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer });
console.log(JSON.stringify([core.variant, trainer.step(core.tensor([1, 2], [1, 2]), core.tensor([1, 1], [1])) >= 0]));

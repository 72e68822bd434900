import { createCoreSync, RMSProp } from "lanewise";

const core = createCoreSync();
const x = core.tensor([1], [3]);
new RMSProp(core, x, { learningRate: 1, decay: 0, eps: 0 }).step(Float32Array.of(2));
console.log(JSON.stringify([core.variant, ...x.toArray()]));

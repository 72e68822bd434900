// Node's require: from 20.19 on it takes ES modules.
const { createCoreSync, minimize, RMSProp } = require("lanewise");

const core = createCoreSync();
const { point } = minimize((x) => (x[0] - 5) ** 2, [0], {
  optimizer: (params) => new RMSProp(core, params, { learningRate: 0.1 }),
  iterations: 100,
});
console.log(JSON.stringify({ x: point[0], variant: core.variant, reason: core.reason }));
core.dispose();

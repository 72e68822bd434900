// Node, Deno and Bun: node command.mjs, deno run -A command.mjs, bun command.mjs
import { createCore, minimize, RMSProp } from "lanewise";

const core = await createCore();
const { point } = minimize((x) => (x[0] - 5) ** 2, [0], {
  optimizer: (params) => new RMSProp(core, params, { learningRate: 0.1 }),
  iterations: 100,
});
console.log(JSON.stringify({ x: point[0], variant: core.variant, reason: core.reason }));
core.dispose();

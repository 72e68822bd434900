import { createCoreSync, minimize, RMSProp } from "lanewise";

// One core for all requests of an isolate: the Wasm is part of the upload, and there is nothing to wait for.
const core = createCoreSync();

export default {
  fetch() {
    const { point } = minimize((x) => (x[0] - 5) ** 2, [0], {
      optimizer: (params) => new RMSProp(core, params, { learningRate: 0.1 }),
      iterations: 100,
    });
    return Response.json({ x: point[0], variant: core.variant, reason: core.reason });
  },
};

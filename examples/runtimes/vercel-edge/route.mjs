// Next.js: app/api/minimum/route.js. Vercel's functions without Next.js: api/minimum.js, with `export default GET`.
import { createCoreSync, minimize, RMSProp } from "lanewise";

export const runtime = "edge";

const core = createCoreSync();

export function GET() {
  const { point } = minimize((x) => (x[0] - 5) ** 2, [0], {
    optimizer: (params) => new RMSProp(core, params, { learningRate: 0.1 }),
    iterations: 100,
  });
  return Response.json({ x: point[0], variant: core.variant, reason: core.reason });
}

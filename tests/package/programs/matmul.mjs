import { createCoreSync, matmul } from "lanewise";

const core = createCoreSync();
const a = core.tensor([2, 2], [1, 2, 3, 4]);
console.log(JSON.stringify([core.variant, ...matmul(a, a).toArray()]));

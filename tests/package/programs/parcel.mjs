// Bundled by Parcel 2.
import { createCore, matmul } from "lanewise";
import { dense, Sequential } from "lanewise/nn";

async function main() {
  const core = await createCore({ threads: 2 });
  new Sequential(core, [dense(2, 3)]);
  const a = core.tensor([2, 2], [1, 2, 3, 4]);
  console.log(JSON.stringify([core.reason, ...matmul(a, a).toArray()]));
  core.dispose();
}

main();

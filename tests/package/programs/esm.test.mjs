// Run by Jest as an ES module.
import { createCoreSync } from "lanewise";
import { dense, Sequential } from "lanewise/nn";

test("every entry has the same classes", () => {
  const core = createCoreSync();
  expect(core.variant).toBe("simd");
  expect(new Sequential(core, [dense(2, 3)]).parameters["0.weight"].shape).toEqual([2, 3]);
});

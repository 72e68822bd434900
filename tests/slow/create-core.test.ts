import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";

// Node 20 can deadlock between tasks of asynchronous compilation and garbage collection: 5 of 36 runs of this program
// never ended when createCore waited for WebAssembly.instantiate.
it("createCore never hangs, however often it is called", () => {
  const script = `
    import { createCore, createCoreSync } from "./src/entry/inline.js";
    let made = 0;
    for (let i = 0; i < 3000; i++) {
      const core = await createCore();
      core.tensor([1000]);
      core.dispose();
      made++;
    }
    console.log(made);
  `;
  const args = ["--import", "tsx", "--input-type=module", "--eval", script];
  for (let run = 0; run < 6; run++) {
    expect(execFileSync(process.execPath, args, { encoding: "utf8", timeout: 120_000 }).trim()).toBe("3000");
  }
});

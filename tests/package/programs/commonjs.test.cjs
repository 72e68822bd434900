// Run by Jest, whose `require` loads no ES module.
const { createCore, createCoreSync, OptionError, RMSProp } = require("lanewise");
const { loadCheckpoint, saveCheckpoint } = require("lanewise/checkpoint");
const js = require("lanewise/js");
const { dense, meanSquaredError, Sequential, Trainer } = require("lanewise/nn");

test("every entry has the same classes", () => {
  const bytes = [createCoreSync(), js.createCoreSync()].map((core) => {
    const model = new Sequential(core, [dense(2, 3)]);
    const optimizer = (parameters) => new RMSProp(core, parameters);
    const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer });
    trainer.step(core.tensor([1, 2], [1, 2]), core.tensor([1, 3], [1, 2, 3]));
    const target = { parameters: model.parameters, optimizer: trainer.optimizer };
    const file = saveCheckpoint(target);
    loadCheckpoint(file, target);
    expect(() => new RMSProp(core, model.parameters, { decay: 2 })).toThrow(OptionError);
    return file;
  });
  expect(bytes[0]).toEqual(bytes[1]);
  expect(js.OptionError).toBe(OptionError);
});

test("what is loaded on demand is there", async () => {
  const core = await createCore({ threads: 2 });
  expect(core.reason).toMatch(/^simd passed its self-test; 2 threads$/);
  core.dispose();
});

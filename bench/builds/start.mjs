// A fresh process that imports a build, makes a core and a step: prints the milliseconds after each.
const begin = performance.now();
const { createCoreSync, RMSProp } = await import(process.argv[2]);
const imported = performance.now() - begin;
const core = createCoreSync();
const parameters = core.tensor([1000], (i) => i);
const optimizer = new RMSProp(core, parameters);
optimizer.step(core.tensor([1000], (i) => i % 7));
const stepped = performance.now() - begin;
console.log(JSON.stringify({ variant: core.variant, imported, stepped }));

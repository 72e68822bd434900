import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { writeSafetensors } from "../../../src/checkpoint/index.js";
import { dense, exportTfjs, Sequential } from "../../../src/nn/index.js";
import { makeCore } from "../../helpers/cores.js";

const root = new URL("../../../", import.meta.url);
// Inside the package, so that "lanewise" means the build of this very checkout.
const folder = new URL("build/guide/models/", root);
const guide = readFileSync(new URL("docs/guide/models.md", root), "utf8");
const snippets = [...guide.matchAll(/```js\n(.*?)```/gs)].map((match) => match[1]!);

/** A linear module of PyTorch. */
const linear = (name: string, inputs: number, outputs: number) => [
  [`${name}.weight`, { shape: [outputs, inputs], data: new Float32Array(inputs * outputs).fill(0.1) }] as const,
  [`${name}.bias`, { shape: [outputs], data: new Float32Array(outputs) }] as const,
];

describe("docs/guide/models.md", () => {
  beforeAll(() => {
    // The files that snippets read.
    mkdirSync(folder, { recursive: true });
    const model = new Sequential(makeCore("js"), [dense(2, 3)]);
    const { modelJson, weights } = exportTfjs(model);
    writeFileSync(new URL("model.json", folder), JSON.stringify(modelJson));
    writeFileSync(new URL("weights.bin", folder), weights);
    const tensors = [...linear("0", 2, 8), ...linear("2", 8, 3)];
    writeFileSync(new URL("net.safetensors", folder), writeSafetensors(tensors));
    const keras = JSON.parse(readFileSync(new URL("reference/keras-models.json", import.meta.url), "utf8"));
    writeFileSync(new URL("net.keras", folder), gunzipSync(Buffer.from(keras.cases[0].file, "base64")));
  });

  it("has snippets", () => expect(snippets.length).toBe(9));

  it.each(snippets.map((code, index) => [index + 1, code] as const))("snippet %i runs", (index, code) => {
    const file = fileURLToPath(new URL(`models-${index}.mjs`, folder));
    writeFileSync(file, code);
    const output = execFileSync(process.execPath, [file], { encoding: "utf8", cwd: fileURLToPath(folder) });
    const [, said] = /console\.log\(.*\); \/\/ (.*)/.exec(code) ?? [];
    if (said !== undefined) expect(output).toBe(`${said}\n`);
  });
});

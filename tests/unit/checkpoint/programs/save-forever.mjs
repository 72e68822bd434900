// Saves one pattern after the other, until it is killed: node save-forever.mjs <path> <size>
import { fileStore } from "../../../../dist/default/checkpoint-file.js";

const [path, size] = process.argv.slice(2);
const store = fileStore(path);
for (let fill = 0; ; fill = (fill + 1) % 256) {
  await store.save(new Uint8Array(Number(size)).fill(fill));
  if (fill === 0) console.log("begun");
}
